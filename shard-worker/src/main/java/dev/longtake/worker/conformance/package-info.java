/** The check of a port: reference cases run through the real engine and compared tensor by tensor. */
@NullMarked
package dev.longtake.worker.conformance;

import org.jspecify.annotations.NullMarked;
