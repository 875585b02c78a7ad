/** Weights on disk: safetensors files and files of PyTorch, checked before anything trusts them and mapped tensor by tensor. */
@NullMarked
package dev.longtake.common.checkpoint;

import org.jspecify.annotations.NullMarked;
