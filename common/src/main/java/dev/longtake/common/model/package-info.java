/** Model folders: which files a model consists of, its configuration, its defaults and what it allows. */
@NullMarked
package dev.longtake.common.model;

import org.jspecify.annotations.NullMarked;
