/** Work orders carried out by the engine: from the contract's messages to programs, and results back. */
@NullMarked
package dev.longtake.worker.order;

import org.jspecify.annotations.NullMarked;
