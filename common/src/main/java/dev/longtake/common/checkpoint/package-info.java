/** Weights on disk: safetensors files, read by memory map and checked before anything trusts them. */
@NullMarked
package dev.longtake.common.checkpoint;

import org.jspecify.annotations.NullMarked;
