/** The methods of the contracts as JSON, events and files, made from their descriptors. */
@NullMarked
package dev.longtake.coordinator.web.json;

import org.jspecify.annotations.NullMarked;
