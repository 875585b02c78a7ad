package dev.longtake.worker.engine.exec;

import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.model.NullText;

/** What stands for no text. */
final class NullTexts {
  private NullTexts() {}

  /** The first tokens of a model's null text to a matrix of as many rows. */
  static void upload(Device device, Weights weights, NullText text, int tokens, Matrix rows) {
    switch (text) {
      case NullText.Stored(String tensor) ->
          device.copy(weights.tensor(tensor).rows(0, tokens), rows);
      case NullText.Zeros() -> Floats.upload(device, new float[rows.rows() * rows.columns()], rows);
      case NullText.Encoded() -> throw new IllegalStateException("Expected an encoded null text");
    }
  }
}
