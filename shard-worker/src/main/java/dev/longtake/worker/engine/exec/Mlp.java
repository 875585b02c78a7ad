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
   * @param tag of the scratch memory
   */
  static void run(
      Device device,
      Weights weights,
      List<String> layers,
      Activation between,
      Matrix in,
      Matrix out,
      String tag) {
    if (layers.size() == 1) {
      device.linear(weights.linear(layers.getFirst()), in, out, Activation.NONE);
      return;
    }
    PackedLinear first = weights.linear(layers.get(0));
    try (DeviceBuffer scratch =
        device.memory().allocate(4L * in.rows() * first.outputColumns(), tag)) {
      Matrix hidden = Matrix.dense(scratch, in.rows(), first.outputColumns(), DType.F32);
      device.linear(first, in, hidden, between);
      device.linear(weights.linear(layers.get(1)), hidden, out, Activation.NONE);
    }
  }
}
