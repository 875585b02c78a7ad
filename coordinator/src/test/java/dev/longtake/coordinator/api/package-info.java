/** Tests of request validation and of the streams to clients. */
@NullMarked
package dev.longtake.coordinator.api;

import org.jspecify.annotations.NullMarked;
