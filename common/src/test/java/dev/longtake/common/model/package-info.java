/** Tests of model folders. */
@NullMarked
package dev.longtake.common.model;

import org.jspecify.annotations.NullMarked;
