/** Tests of the text encoder and the frame decoder against the demo model's reference tensors. */
@NullMarked
package dev.longtake.worker.media;

import org.jspecify.annotations.NullMarked;
