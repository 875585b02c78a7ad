package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.model.ModelDescription;

/** The network's prediction as latents instead of patches. Owns one buffer of them. */
public final class Predictions implements AutoCloseable {
  private final Device device;
  private final ModelDescription model;
  private final Geometry geometry;
  private final DeviceBuffer buffer;
  private final Matrix latents;

  public Predictions(Device device, ModelDescription model, Geometry geometry) {
    this.device = device;
    this.model = model;
    this.geometry = geometry;
    Patching local = geometry.localPatching();
    int rows = geometry.branches() * model.outputChannels() * local.frames();
    int columns = local.height() * local.width();
    buffer = device.memory().allocate(4L * rows * columns, "latents");
    latents = Matrix.dense(buffer, rows, columns, DType.F32);
  }

  /**
   * Converts the result of {@link Network#step}.
   *
   * @param branches that it is of
   */
  public void unpatchify(Matrix patches, Range branches) {
    Patching local = geometry.localPatching();
    int tokens = local.gridFrames() * local.patchesPerFrame();
    for (int i = 0; i < branches.size(); i++) {
      device.unpatchify(
          patches.rows(i * tokens, (i + 1) * tokens),
          firstChannels(branches.start() + i, model.outputChannels()),
          model.outputChannels(),
          local,
          model.patches().outputOrder());
    }
  }

  /** All that was converted, [branch * output channels * frames, height * width]; overwritten by the next step. */
  public Matrix latents() {
    return latents;
  }

  /** The same of some branches. */
  public Matrix ofBranches(Range branches) {
    int rows = model.outputChannels() * geometry.localPatching().frames();
    return latents.rows(branches.start() * rows, branches.end() * rows);
  }

  /** The first channels of one branch: with a learned variance, the half that is the prediction. */
  public Matrix firstChannels(int branch, int channels) {
    int frames = geometry.localPatching().frames();
    int from = branch * model.outputChannels() * frames;
    return latents.rows(from, from + channels * frames);
  }

  @Override
  public void close() {
    buffer.close();
  }
}
