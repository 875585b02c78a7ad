package dev.longtake.common.model;

import java.nio.file.Path;

/**
 * A text encoder on disk.
 *
 * @param tokenizer a Hugging Face {@code tokenizer.json}
 * @param onnx from {@code input_ids} and {@code attention_mask}, int64 {@code [1, tokens]}, to {@code [1, tokens,
 *     channels]}, float32
 * @param padTokenId fills the inputs up to the model's number of tokens
 */
public record TextEncoderFiles(Path tokenizer, Path onnx, Path config, int padTokenId) {}
