/** Tests of the MP4 writer, by decoding what it wrote. */
@NullMarked
package dev.longtake.coordinator.video;

import org.jspecify.annotations.NullMarked;
