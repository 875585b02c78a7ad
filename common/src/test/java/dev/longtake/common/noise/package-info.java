/** Tests of the noise: known answers, any split of the range, the distribution. */
@NullMarked
package dev.longtake.common.noise;

import org.jspecify.annotations.NullMarked;
