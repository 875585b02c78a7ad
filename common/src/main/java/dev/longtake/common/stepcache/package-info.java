/** Step caches: which results of earlier denoising steps a step takes over, as requests ask for it. */
@NullMarked
package dev.longtake.common.stepcache;

import org.jspecify.annotations.NullMarked;
