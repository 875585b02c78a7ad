/** Frames on their way to a file: the spool and the MP4 writer. */
@NullMarked
package dev.longtake.coordinator.video;

import org.jspecify.annotations.NullMarked;
