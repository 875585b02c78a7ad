package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Term;
import dev.longtake.worker.engine.exec.Floats;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.exec.StepInput;
import dev.longtake.worker.engine.sampler.FrameRule.FrameState;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * The loop of all samplers on one rank: asks the denoiser for predictions, guides them, and moves the latents as the sampler's table
 * says. Latents stay with the rank that has the frame. Nothing but the denoiser exchanges anything.
 */
public final class SamplingLoop implements AutoCloseable {
  /** Noise streams: the start, then one per step for edited frames, and far from these one per step for the sampler. */
  private static final long START_STREAM = 0;

  private static final long EDIT_STREAM = 1;
  private static final long STEP_STREAM = 1L << 32;

  private final Device device;
  private final Denoiser denoiser;
  private final Geometry geometry;
  private final SamplingInput input;
  private final SamplingListener listener;
  private final SamplingPlan plan;
  private final StepConditions conditions;
  private final ClipRows rows;
  private final ClipRows outputRows;
  private final List<DeviceBuffer> owned = new ArrayList<>();
  private final Matrix latents;
  private final Matrix noise;

  /** The guided prediction, or what the sampler made of it; swapped with {@link #remembered} where that is used. */
  private Matrix prediction;

  private Matrix remembered;

  /** Allocates the loop's latents; closing frees them. The denoiser stays the caller's. */
  public SamplingLoop(
      Device device,
      Denoiser denoiser,
      Geometry geometry,
      SamplingInput input,
      SamplingListener listener) {
    this.device = device;
    this.denoiser = denoiser;
    this.geometry = geometry;
    this.input = input;
    this.listener = listener;
    this.conditions = new StepConditions(device, geometry, input);
    this.plan = conditions.plan();
    this.rows = new ClipRows(geometry, input.samples(), denoiser.latentChannels());
    this.outputRows = new ClipRows(geometry, geometry.branches(), denoiser.outputChannels());
    try {
      latents = matrix();
      prediction = matrix();
      noise = plan.addsNoise() ? matrix() : latents;
      remembered = plan.remembers() ? matrix() : prediction;
    } catch (Throwable e) {
      close();
      throw e;
    }
  }

  private Matrix matrix() {
    DeviceBuffer buffer = rows.allocate(device);
    owned.add(buffer);
    return rows.in(buffer);
  }

  /**
   * Runs the steps that are left.
   *
   * @return this rank's final latents, valid until close
   */
  public Matrix run() {
    start();
    if (conditions.reference() != null) {
      take("reference_latents", 0, conditions.reference());
    }
    for (int step = input.firstStep(); step < plan.steps().size(); step++) {
      listener.stepStarting(step);
      step(step, plan.steps().get(step));
      listener.stepFinished(step, new LocalState(latents, plan.remembers() ? remembered : null));
    }
    return latents;
  }

  private void start() {
    SamplerState resume = input.resume();
    fill(latents, resume == null ? input.start() : resume.latents(), 0, START_STREAM);
    if (resume == null && input.given() != null) {
      rows.fillFirstFrames(device, latents, input.given());
    }
    if (resume != null && resume.previous() != null) {
      Floats.upload(device, rows.localPart(resume.previous(), /* index= */ 0), remembered);
    }
  }

  /** The {@code index}-th of given values, or else noise. */
  private void fill(Matrix target, float @Nullable [] given, int index, long stream) {
    if (given == null) {
      rows.fillNoise(device, target, input.seed(), stream);
    } else {
      Floats.upload(device, rows.localPart(given, index), target);
    }
  }

  private void step(int index, SamplerStep step) {
    ClipFrames frames = conditions.frames(index);
    if (frames != null && plan.frames() != null && frames.any(FrameState::noised)) {
      addEditNoise(index, frames, plan.frames());
    }
    take("z_in", index, latents);
    StepInput told = conditions.input(index, latents);
    takeValues("timesteps", index, Arrays.copyOf(told.timesteps(), input.samples()));
    if (frames != null) {
      takeValues("x_mask", index, frames.generatedFlags());
    }
    Matrix output = denoiser.predict(told, "step " + (index + 1));
    take("model_out", index, output);
    guide(index, output);
    take("guided_pred", index, prediction);
    OptionalInt previewed = listener.previewedFrame(index);
    if (previewed.isPresent()) {
      listener.estimate(index, estimate(step, frames, previewed.getAsInt()));
    }
    advance(index, step, frames, output);
    take("z_out", index, latents);
  }

  private void addEditNoise(int step, ClipFrames frames, FrameRule rule) {
    fill(noise, input.editNoise(), step, EDIT_STREAM + step);
    device.combine(
        latents,
        List.of(
            new Term(latents, frames.perRow(rows, FrameState::noised, rule.signal(step), 1)),
            new Term(noise, frames.perRow(rows, FrameState::noised, rule.noise(step), 0))));
  }

  /** The branches' weighted sum, sample by sample. */
  private void guide(int step, Matrix output) {
    int channels = rows.channels();
    float[][] weights = new float[input.guidance().branches()][rows.rowsPerClip()];
    for (int row = 0; row < rows.rowsPerClip(); row++) {
      double[] ofRow =
          input
              .guidance()
              .weights(
                  step,
                  plan.steps().size(),
                  rows.channel(row),
                  rows.globalFrame(row),
                  geometry.patching().frames());
      for (int branch = 0; branch < weights.length; branch++) {
        weights[branch][row] = (float) ofRow[branch];
      }
    }
    for (int sample = 0; sample < input.samples(); sample++) {
      List<Term> terms = new ArrayList<>();
      for (int branch = 0; branch < weights.length; branch++) {
        int clip = branch * input.samples() + sample;
        terms.add(new Term(outputRows.channels(output, clip, 0, channels), weights[branch]));
      }
      device.combine(rows.channels(prediction, sample, 0, channels), terms);
    }
  }

  /** One frame as the step sees the clip: [channels, pixels]. One that it leaves alone is what it is. */
  private float[] estimate(SamplerStep step, @Nullable ClipFrames frames, int frame) {
    float[] ofLatents = coefficients(frames, step.estimate().latents(), 1);
    float[] ofPrediction = coefficients(frames, step.estimate().prediction(), 0);
    float[] values = new float[rows.channels() * rows.pixels()];
    for (int channel = 0; channel < rows.channels(); channel++) {
      int row = channel * rows.frames() + frame;
      int coefficient = frames == null ? 0 : row;
      float[] z = Floats.download(device, latents.rows(row, row + 1));
      float[] p = Floats.download(device, prediction.rows(row, row + 1));
      for (int i = 0; i < z.length; i++) {
        values[channel * z.length + i] =
            ofLatents[coefficient] * z[i] + ofPrediction[coefficient] * p[i];
      }
    }
    return values;
  }

  private void advance(int index, SamplerStep step, @Nullable ClipFrames frames, Matrix output) {
    if (step.remembers()) {
      device.combine(
          prediction,
          List.of(
              term(latents, step.estimate().latents()),
              term(prediction, step.estimate().prediction())));
    }
    List<Term> terms = new ArrayList<>();
    terms.add(new Term(latents, coefficients(frames, step.latents(), 1)));
    terms.add(new Term(prediction, coefficients(frames, step.prediction(), 0)));
    if (step.previous() != 0) {
      terms.add(new Term(remembered, coefficients(frames, step.previous(), 0)));
    }
    switch (step.noise()) {
      case StepNoise.None _ -> device.combine(latents, terms);
      case StepNoise.Fixed fixed -> {
        fill(noise, input.stepNoise(), index, STEP_STREAM + index);
        terms.add(new Term(noise, coefficients(frames, fixed.deviation(), 0)));
        device.combine(latents, terms);
      }
      case StepNoise.Learned learned -> {
        fill(noise, input.stepNoise(), index, STEP_STREAM + index);
        device.combine(latents, terms);
        addLearnedNoise(learned, frames, output);
      }
    }
    if (step.remembers()) {
      Matrix estimate = prediction;
      prediction = remembered;
      remembered = estimate;
    }
  }

  private static Term term(Matrix values, float coefficient) {
    return new Term(values, new float[] {coefficient});
  }

  /** One for all rows, or another for the rows of frames that the step leaves alone. */
  private float[] coefficients(@Nullable ClipFrames frames, float updated, float left) {
    return frames == null
        ? new float[] {updated}
        : frames.perRow(rows, FrameState::updated, updated, left);
  }

  /** The variance is in the channels after the prediction, and that of the prompt's branch counts. */
  private void addLearnedNoise(
      StepNoise.Learned learned, @Nullable ClipFrames frames, Matrix output) {
    int channels = rows.channels();
    if (frames != null) {
      // Frames that the step leaves alone get none of it.
      device.combine(
          noise, List.of(new Term(noise, frames.perRow(rows, FrameState::updated, 1, 0))));
    }
    for (int sample = 0; sample < input.samples(); sample++) {
      device.addLearnedNoise(
          rows.channels(latents, sample, 0, channels),
          outputRows.channels(output, sample, channels, 2 * channels),
          rows.channels(noise, sample, 0, channels),
          learned.minLog(),
          learned.maxLog());
    }
  }

  private void takeValues(String name, int step, float[] values) {
    if (listener.wants(name)) {
      listener.values(name, step, values);
    }
  }

  private void take(String name, int step, Matrix value) {
    if (listener.wants(name)) {
      listener.latents(name, step, value);
    }
  }

  @Override
  public void close() {
    owned.forEach(DeviceBuffer::close);
    conditions.close();
  }
}
