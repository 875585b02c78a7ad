/** Tests of the meters' catalogue and of the endpoint. */
@NullMarked
package dev.longtake.common.metrics;

import org.jspecify.annotations.NullMarked;
