package dev.longtake.worker.engine.exec;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import java.util.List;

/** The small layers that embed a text or a number. */
final class Mlp {
  private Mlp() {}

  /**
   * One layer, or two with an activation between them; always in float32.
   *
   * @param hidden memory for the first of two layers
   */
  static void run(
      Device device,
      Weights weights,
      List<String> layers,
      Activation activation,
      Matrix in,
      Matrix out,
      DeviceBuffer hidden) {
    if (layers.size() == 1) {
      device.linear(weights.linear(layers.getFirst()), in, out, Activation.NONE);
      return;
    }
    PackedLinear first = weights.linear(layers.get(0));
    Matrix between = Matrix.dense(hidden, in.rows(), first.outputColumns(), DType.F32);
    device.linear(first, in, between, activation);
    device.linear(weights.linear(layers.get(1)), between, out, Activation.NONE);
  }
}
