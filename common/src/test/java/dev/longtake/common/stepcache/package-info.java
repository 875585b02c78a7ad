/** Tests of step caches. */
@NullMarked
package dev.longtake.common.stepcache;

import org.jspecify.annotations.NullMarked;
