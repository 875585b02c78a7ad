package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.exec.Floats;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.exec.StepInput;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Sampling loops of several ranks with a function of the latents for a network, and their latents put together. */
final class LoopRuns {
  static final int CHANNELS = 3;

  /** The frame of the whole clip that "estimate" is of. */
  static final int PREVIEWED = 3;

  /** The prediction for one value: all branches' channels, the first being the prediction, the next ones the variance. */
  interface Oracle {
    /**
     * A branch's prediction.
     *
     * @param value of the latents at the same place; for a variance the one of the prediction's channel
     * @param t what the network is told
     * @param generated whether the network would treat the frame as an ordinary one
     * @param element of the whole clip, counted without the branch
     */
    float predict(
        int branch, boolean variance, float value, float t, boolean generated, int element);
  }

  private final Device device;
  private final Patching patching;
  private final Oracle oracle;

  LoopRuns(Device device, Patching patching, Oracle oracle) {
    this.device = device;
    this.patching = patching;
    this.oracle = oracle;
  }

  /** The captured latents of whole clips [samples, channels, frames, pixels], "final" and NAME/STEP; "estimate" is [channels, pixels]. */
  Map<String, float[]> run(SamplingInput input, int ranks, Set<String> captured) {
    Map<String, float[]> whole = new TreeMap<>();
    for (int rank = 0; rank < ranks; rank++) {
      Geometry geometry =
          new Geometry(
              input.guidance().branches() * input.samples(),
              patching,
              patching.height() * 8,
              patching.width() * 8,
              patching.frames(),
              rank,
              ranks);
      ClipRows rows = new ClipRows(geometry, input.samples(), CHANNELS);
      ClipRows outputs = new ClipRows(geometry, geometry.branches(), 2 * CHANNELS);
      try (DeviceBuffer buffer = outputs.allocate(device);
          SamplingLoop loop =
              new SamplingLoop(
                  device,
                  new OracleDenoiser(rows, outputs, outputs.in(buffer)),
                  geometry,
                  input,
                  new Collector(rows, captured, whole))) {
        collect(rows, "final", Floats.download(device, loop.run()), whole);
      }
    }
    return whole;
  }

  private void collect(ClipRows rows, String name, float[] part, Map<String, float[]> whole) {
    float[] target =
        whole.computeIfAbsent(
            name, _ -> new float[rows.clips() * CHANNELS * patching.frames() * rows.pixels()]);
    for (int row = 0; row < rows.rows(); row++) {
      int to = (row / rows.frames() * patching.frames() + rows.globalFrame(row)) * rows.pixels();
      System.arraycopy(part, row * rows.pixels(), target, to, rows.pixels());
    }
  }

  private final class OracleDenoiser implements Denoiser {
    private final ClipRows rows;
    private final ClipRows outputs;
    private final Matrix output;

    OracleDenoiser(ClipRows rows, ClipRows outputs, Matrix output) {
      this.rows = rows;
      this.outputs = outputs;
      this.output = output;
    }

    @Override
    public int latentChannels() {
      return CHANNELS;
    }

    @Override
    public int outputChannels() {
      return 2 * CHANNELS;
    }

    @Override
    public Matrix predict(StepInput input, String place) {
      float[] latents = Floats.download(device, Objects.requireNonNull(input.latents()));
      float[] predicted = new float[outputs.rows() * outputs.pixels()];
      for (int row = 0; row < outputs.rows(); row++) {
        int clip = outputs.clip(row);
        int sample = clip % rows.clips();
        int channel = outputs.channel(row) % CHANNELS;
        int frame = row % outputs.frames();
        int from = ((sample * CHANNELS + channel) * rows.frames() + frame) * rows.pixels();
        int globalFrame = outputs.globalFrame(row);
        boolean generated = input.generated() == null || input.generated()[clip][globalFrame];
        int element =
            ((sample * CHANNELS + channel) * patching.frames() + globalFrame) * rows.pixels();
        for (int i = 0; i < rows.pixels(); i++) {
          predicted[row * rows.pixels() + i] =
              oracle.predict(
                  clip / rows.clips(),
                  outputs.channel(row) >= CHANNELS,
                  latents[from + i],
                  input.timesteps()[clip],
                  generated,
                  element + i);
        }
      }
      Floats.upload(device, predicted, output);
      return output;
    }
  }

  private final class Collector implements SamplingListener {
    private final ClipRows rows;
    private final Set<String> captured;
    private final Map<String, float[]> whole;

    Collector(ClipRows rows, Set<String> captured, Map<String, float[]> whole) {
      this.rows = rows;
      this.captured = captured;
      this.whole = whole;
    }

    @Override
    public void stepStarting(int step) {}

    @Override
    public void stepFinished(int step, @Nullable LocalState after) {}

    @Override
    public OptionalInt previewedFrame(int step) {
      int local = PREVIEWED - rows.geometry().latentFrames().start();
      return captured.contains("estimate") && local >= 0 && local < rows.frames()
          ? OptionalInt.of(local)
          : OptionalInt.empty();
    }

    @Override
    public void estimate(int step, float[] frame) {
      whole.put("estimate/" + step, frame);
    }

    @Override
    public boolean wants(String name) {
      return captured.contains(name);
    }

    @Override
    public void latents(String name, int step, Matrix latents) {
      collect(rows, name + "/" + step, Floats.download(device, latents), whole);
    }

    @Override
    public void values(String name, int step, float[] values) {}
  }
}
