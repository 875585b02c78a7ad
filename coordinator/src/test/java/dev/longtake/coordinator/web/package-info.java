/** The HTTP server by itself. */
@NullMarked
package dev.longtake.coordinator.web;

import org.jspecify.annotations.NullMarked;
