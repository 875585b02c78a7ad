/** The Generation service: validation, text encoding, watching, downloading, and the mapping of errors. */
@NullMarked
package dev.longtake.coordinator.api;

import org.jspecify.annotations.NullMarked;
