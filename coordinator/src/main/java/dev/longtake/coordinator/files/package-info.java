/** Files that several coordinators may share. */
@NullMarked
package dev.longtake.coordinator.files;

import org.jspecify.annotations.NullMarked;
