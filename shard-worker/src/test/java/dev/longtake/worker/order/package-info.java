/** Tests of orders: refusals, cancelling, and what is left behind. */
@NullMarked
package dev.longtake.worker.order;

import org.jspecify.annotations.NullMarked;
