/** Tests of options from files and the environment. */
@NullMarked
package dev.longtake.common.options;

import org.jspecify.annotations.NullMarked;
