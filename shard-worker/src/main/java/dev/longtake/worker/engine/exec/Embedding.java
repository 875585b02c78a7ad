package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Stream;
import dev.longtake.worker.engine.program.Value;
import org.jspecify.annotations.Nullable;

/** Latents and text to the tokens that enter the first block. */
final class Embedding {
  private final Device device;
  private final ModelDescription model;
  private final Weights weights;
  private final Geometry geometry;
  private final Condition condition;
  private final LaneTexts texts;

  Embedding(
      Device device,
      ModelDescription model,
      Weights weights,
      Geometry geometry,
      Condition condition,
      LaneTexts texts) {
    this.device = device;
    this.model = model;
    this.weights = weights;
    this.geometry = geometry;
    this.condition = condition;
    this.texts = texts;
  }

  /**
   * The patches' rows of the residual stream.
   *
   * @param latents [sample * channels * frames, height * width]
   */
  void patches(String layer, Matrix latents, Tokens tokens) {
    Matrix residual = tokens.rows(tokens.residual(), Stream.PATCHES);
    PackedLinear embedding = weights.linear(layer);
    int channels = model.latentChannels();
    Matrix patches = patches(tokens, embedding);
    for (int branch = 0; branch < condition.count(); branch++) {
      int sample = condition.branches().get(branch).sample();
      patchify(latents, sample, channels, patches, branch);
    }
    device.linear(embedding, patches, residual, Activation.NONE);
  }

  /**
   * Adds embedded reference latents.
   *
   * @param reference [branch * (1 + channels) * frames, height * width], or null for zeros
   * @return what was embedded, rows of the patches; valid until the next projection
   */
  Matrix reference(String layer, @Nullable Matrix reference, Tokens tokens) {
    PackedLinear embedding = weights.linear(layer);
    Matrix residual = tokens.rows(tokens.residual(), Stream.PATCHES);
    Matrix patches = patches(tokens, embedding);
    int channels = 1 + model.latentChannels();
    if (reference == null) {
      Floats.upload(device, new float[patches.rows() * patches.columns()], patches);
    } else {
      for (int branch = 0; branch < condition.count(); branch++) {
        patchify(reference, branch, channels, patches, branch);
      }
    }
    device.linearResidual(embedding, patches, residual, /* gate= */ null);
    return patches;
  }

  /** The patches' values, as many as the product reads. */
  private static Matrix patches(Tokens tokens, PackedLinear embedding) {
    int rows = tokens.layout().patchRows();
    return Matrix.dense(tokens.memory().wide(), rows, embedding.inputColumns(), DType.F32);
  }

  private void patchify(Matrix latents, int clip, int channels, Matrix patches, int branch) {
    Patching local = geometry.localPatching();
    int rows = channels * local.frames();
    int tokens = patches.rows() / condition.count();
    device.patchify(
        latents.rows(clip * rows, (clip + 1) * rows),
        patches.rows(branch * tokens, (branch + 1) * tokens),
        channels,
        local);
  }

  /** The rank's share of the projected text to its rows of the residual stream. */
  void text(Matrix residual, TokenLayout layout) {
    for (int branch = 0; branch < condition.count(); branch++) {
      Range tokens = layout.text().get(branch);
      Range rows = layout.textRows(branch);
      device.copy(
          texts.get(branch, Value.TEXT).rows(tokens.start(), tokens.end()),
          residual.rows(rows.start(), rows.end()));
    }
  }
}
