/** What is measured when, and when a prediction has drifted. */
@NullMarked
package dev.longtake.coordinator.measure;

import org.jspecify.annotations.NullMarked;
