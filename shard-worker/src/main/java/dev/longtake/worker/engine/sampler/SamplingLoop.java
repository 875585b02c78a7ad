package dev.longtake.worker.engine.sampler;

import dev.longtake.common.partition.Range;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.exec.Floats;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.exec.Network;
import dev.longtake.worker.engine.exec.Predictions;
import dev.longtake.worker.engine.exec.StepInput;
import dev.longtake.worker.engine.model.ModelDescription;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Rectified flow with classifier-free guidance on one rank: {@code z += dt * (v_null + g (v_cond - v_null))}. Latents stay with the
 * rank that has the frame, as rows {@code [sample, channel, frame]} and columns {@code [height * width]}.
 */
public final class SamplingLoop implements AutoCloseable {
  /** Noise streams: the start, then one per step. */
  private static final long START_STREAM = 0;

  private final Device device;
  private final Network network;
  private final Geometry geometry;
  private final SamplingInput input;
  private final SamplingListener listener;
  private final Predictions predictions;
  private final int channels;
  private final List<DeviceBuffer> owned = new ArrayList<>();
  private final Matrix latents;
  private final Matrix noise;
  private final Matrix velocity;

  /** Allocates the loop's latents; closing frees them. The network stays the caller's. */
  public SamplingLoop(
      Device device,
      Network network,
      ModelDescription model,
      Geometry geometry,
      SamplingInput input,
      SamplingListener listener) {
    this.device = device;
    this.network = network;
    this.geometry = geometry;
    this.input = input;
    this.listener = listener;
    this.channels = model.latentChannels();
    try {
      latents = matrix();
      velocity = matrix();
      noise = input.frameMask() == null ? latents : matrix();
      predictions = new Predictions(device, model, geometry);
    } catch (Throwable e) {
      owned.forEach(DeviceBuffer::close);
      throw e;
    }
  }

  private Matrix matrix() {
    Patching local = geometry.localPatching();
    int rows = input.samples() * channels * local.frames();
    int columns = local.height() * local.width();
    DeviceBuffer buffer = device.memory().allocate(4L * rows * columns, "latents");
    owned.add(buffer);
    return Matrix.dense(buffer, rows, columns, DType.F32);
  }

  /**
   * Runs all steps.
   *
   * @return this rank's final latents, valid until close
   */
  public Matrix run() {
    float[] schedule =
        input
            .flow()
            .schedule(geometry.pixelHeight(), geometry.pixelWidth(), geometry.pixelFrames());
    start();
    FrameMask mask = new FrameMask(input, geometry);
    for (int step = 0; step < schedule.length; step++) {
      listener.stepStarting(step);
      step(step, schedule, mask);
      listener.stepFinished(step);
    }
    return latents;
  }

  private void start() {
    float[] given = input.start();
    if (given == null) {
      fillNoise(latents, START_STREAM);
    } else {
      Floats.upload(device, localPart(given, 0), latents);
    }
  }

  private void step(int step, float[] schedule, FrameMask mask) {
    float t = schedule[step];
    boolean @Nullable [][] active = mask.active(t);
    boolean[] noisy = mask.becomesNoisy(active);
    if (noisy != null) {
      stepNoise(step);
      float portion = t / input.flow().timesteps();
      device.mixNoise(latents, noise, latents, portion, rowsOf(noisy));
    }
    take("z_in", step, latents);
    takeSchedule(step, t, active);
    float[] timesteps = new float[geometry.branches()];
    Arrays.fill(timesteps, t);
    Matrix patches =
        network.step(
            new StepInput(latents, timesteps, /* reference= */ null, mask.perBranch(active)),
            "step " + (step + 1));
    Matrix output = predictions.unpatchify(patches);
    take("model_out", step, output);
    advance(output, input.flow().stepSize(schedule, step), active);
    take("v_pred", step, velocity);
    take("z_out", step, latents);
  }

  private void advance(Matrix output, float dt, boolean @Nullable [][] active) {
    int rows = channels * geometry.localPatching().frames();
    for (int sample = 0; sample < input.samples(); sample++) {
      boolean[] activeRows = new boolean[rows];
      for (int row = 0; row < rows; row++) {
        activeRows[row] = active == null || active[sample][globalFrame(row)];
      }
      int from = sample * rows;
      device.guidedStep(
          latents.rows(from, from + rows),
          predictions.firstChannels(output, sample, channels),
          predictions.firstChannels(output, input.samples() + sample, channels),
          velocity.rows(from, from + rows),
          (float) input.guidance(),
          dt,
          activeRows);
    }
  }

  private int globalFrame(int row) {
    Range frames = geometry.latentFrames();
    return frames.start() + row % frames.size();
  }

  /** From [sample * frames + frame] of the whole clip to this rank's latent rows. */
  private boolean[] rowsOf(boolean[] frameFlags) {
    boolean[] rows = new boolean[latents.rows()];
    int rowsPerSample = channels * geometry.localPatching().frames();
    for (int row = 0; row < rows.length; row++) {
      int sample = row / rowsPerSample;
      rows[row] = frameFlags[sample * geometry.patching().frames() + globalFrame(row)];
    }
    return rows;
  }

  private void stepNoise(int step) {
    float[] given = input.stepNoise();
    if (given == null) {
      fillNoise(noise, START_STREAM + 1 + step);
    } else {
      Floats.upload(device, localPart(given, step), noise);
    }
  }

  /** Noise of the global elements, so that it does not depend on who holds them. */
  private void fillNoise(Matrix target, long stream) {
    Patching whole = geometry.patching();
    Range frames = geometry.latentFrames();
    int pixels = whole.height() * whole.width();
    for (int sample = 0; sample < input.samples(); sample++) {
      for (int channel = 0; channel < channels; channel++) {
        int row = (sample * channels + channel) * frames.size();
        long first = ((long) channel * whole.frames() + frames.start()) * pixels;
        device.noise(target.rows(row, row + frames.size()), input.seed() + sample, stream, first);
      }
    }
  }

  /** This rank's frames of the {@code index}-th [samples, channels, frames, height * width] in an array. */
  private float[] localPart(float[] whole, int index) {
    Range frames = geometry.latentFrames();
    int pixels = latents.columns();
    int blocks = input.samples() * channels;
    int wholeFrames = geometry.patching().frames();
    float[] part = new float[blocks * frames.size() * pixels];
    for (int block = 0; block < blocks; block++) {
      int from = ((index * blocks + block) * wholeFrames + frames.start()) * pixels;
      System.arraycopy(whole, from, part, block * frames.size() * pixels, frames.size() * pixels);
    }
    return part;
  }

  private void takeSchedule(int step, float t, boolean @Nullable [][] active) {
    if (listener.wants("timesteps")) {
      float[] timesteps = new float[input.samples()];
      Arrays.fill(timesteps, t);
      listener.values("timesteps", step, timesteps);
    }
    if (active != null && listener.wants("x_mask")) {
      int frames = geometry.patching().frames();
      float[] flags = new float[input.samples() * frames];
      for (int i = 0; i < flags.length; i++) {
        flags[i] = active[i / frames][i % frames] ? 1 : 0;
      }
      listener.values("x_mask", step, flags);
    }
  }

  private void take(String name, int step, Matrix value) {
    if (listener.wants(name)) {
      listener.latents(name, step, value);
    }
  }

  @Override
  public void close() {
    predictions.close();
    owned.forEach(DeviceBuffer::close);
  }
}
