package dev.longtake.worker.order;

import static dev.longtake.worker.order.OrderGeometry.require;

import com.google.protobuf.UnsafeByteOperations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.partition.Range;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.DecodedFrames;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.StepFinished;
import dev.longtake.v1.WorkEvent;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.exec.Branch;
import dev.longtake.worker.engine.exec.Condition;
import dev.longtake.worker.engine.exec.Floats;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.exec.Network;
import dev.longtake.worker.engine.exec.Weights;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.sampler.RectifiedFlow;
import dev.longtake.worker.engine.sampler.SamplingInput;
import dev.longtake.worker.engine.sampler.SamplingListener;
import dev.longtake.worker.engine.sampler.SamplingLoop;
import dev.longtake.worker.media.FrameDecoder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The sampling loop of one rank, then its frames decoded. */
final class SamplingOrder {
  private final Device device;
  private final Program program;
  private final Weights weights;
  private final @Nullable FrameDecoder decoder;
  private final SamplingTask task;
  private final Exchange exchange;
  private final Consumer<WorkEvent> events;
  private final BooleanSupplier canceled;

  SamplingOrder(
      Device device,
      Program program,
      Weights weights,
      @Nullable FrameDecoder decoder,
      SamplingTask task,
      Exchange exchange,
      Consumer<WorkEvent> events,
      BooleanSupplier canceled) {
    this.device = device;
    this.program = program;
    this.weights = weights;
    this.decoder = decoder;
    this.task = task;
    this.exchange = exchange;
    this.events = events;
    this.canceled = canceled;
  }

  /** Nanoseconds by what they were spent on. */
  record Times(long sampling, long exchange, long decode) {}

  Times run() {
    ModelDescription model = program.model();
    int samples = task.getPromptsCount();
    require(samples >= 1, "prompts", "Expected at least one prompt, but got none");
    require(
        !task.getDecode() || (samples == 1 && decoder != null),
        "decode",
        "Expected one sample and a model folder with a VAE to decode, but got %d samples and %s VAE"
            .formatted(samples, decoder == null ? "no" : "a"));
    Geometry geometry = OrderGeometry.geometry(task.getGeometry(), model, 2 * samples, exchange);
    SamplingInput input = input(geometry, samples);
    SliceTap tap = new SliceTap(device, geometry, task.getCaptureList(), events);
    long start = System.nanoTime();
    try (Network network =
            new Network(
                device, program, weights, geometry, condition(samples, model), exchange, tap);
        SamplingLoop loop =
            new SamplingLoop(device, network, model, geometry, input, new Listener(tap, model))) {
      network.prepare();
      Matrix latents = loop.run();
      long sampled = System.nanoTime();
      if (tap.wants("final")) {
        tap.latents("final", latents, model.latentChannels());
      }
      if (task.getDecode() && decoder != null) {
        decode(latents, geometry, decoder);
      }
      return new Times(
          sampled - start - network.exchangeNanos(),
          network.exchangeNanos(),
          System.nanoTime() - sampled);
    }
  }

  /** Conditional rows first, then the null ones. */
  private Condition condition(int samples, ModelDescription model) {
    int given = task.getNullConditionsCount();
    require(
        given == 0 || given == samples,
        "null_conditions",
        "Expected no null conditions or one per sample, %d, but got %d".formatted(samples, given));
    Branch.Scalars scalars = scalars();
    List<Branch> branches = new ArrayList<>();
    for (int sample = 0; sample < samples; sample++) {
      branches.add(OrderConditions.branch(sample, task.getPrompts(sample), scalars, model));
    }
    for (int sample = 0; sample < samples; sample++) {
      branches.add(
          given == 0
              ? OrderConditions.nullBranch(branches.get(sample))
              : OrderConditions.branch(sample, task.getNullConditions(sample), scalars, model));
    }
    return new Condition(branches, task.hasFrameMask());
  }

  private Branch.Scalars scalars() {
    ClipGeometry clip = task.getGeometry();
    return new Branch.Scalars(
        (float) clip.getFps(),
        (float) clip.getPixelHeight(),
        (float) clip.getPixelWidth(),
        (float) (clip.getPixelHeight() / clip.getPixelWidth()),
        clip.getPixelFrames(),
        (float) task.getGuidance());
  }

  private SamplingInput input(Geometry geometry, int samples) {
    var schedule = task.getSchedule();
    require(
        schedule.getSteps() >= 1 && schedule.getTimesteps() >= 1,
        "schedule",
        "Expected at least 1 step and 1 timestep, but got %d and %d"
            .formatted(schedule.getSteps(), schedule.getTimesteps()));
    int frames = geometry.patching().frames();
    require(
        !schedule.getTransform() || geometry.pixelFrames() == 1 || geometry.pixelFrames() >= 17,
        "schedule",
        "Expected 1 or at least 17 frames for the timestep transform, but got %d"
            .formatted(geometry.pixelFrames()));
    require(
        Double.isFinite(task.getGuidance()),
        "guidance",
        "Expected a finite guidance, but got %s".formatted(task.getGuidance()));
    RectifiedFlow flow =
        new RectifiedFlow(
            schedule.getSteps(),
            schedule.getTimesteps(),
            schedule.getDiscrete(),
            schedule.getTransform());
    long[] clip = {
      samples,
      program.model().latentChannels(),
      frames,
      geometry.patching().height(),
      geometry.patching().width()
    };
    return new SamplingInput(
        samples,
        flow,
        task.getGuidance(),
        task.getSeed(),
        task.hasLatents() ? ProtoTensors.floats(task.getLatents(), "latents", clip) : null,
        task.hasFrameMask()
            ? ProtoTensors.floats(task.getFrameMask(), "frame_mask", samples, frames)
            : null,
        task.hasStepNoise()
            ? ProtoTensors.floats(
                task.getStepNoise(),
                "step_noise",
                schedule.getSteps(),
                clip[0],
                clip[1],
                clip[2],
                clip[3],
                clip[4])
            : null);
  }

  /** One frame after the other, so that a frame's bytes do not depend on who decodes its neighbours. */
  private void decode(Matrix latents, Geometry geometry, FrameDecoder frameDecoder) {
    Range frames = geometry.latentFrames();
    int channels = program.model().latentChannels();
    int pixels = latents.columns();
    float[] local = Floats.download(device, latents);
    for (int i = 0; i < frames.size(); i++) {
      stopIfCanceled();
      float[] frame = new float[channels * pixels];
      for (int channel = 0; channel < channels; channel++) {
        System.arraycopy(
            local, (channel * frames.size() + i) * pixels, frame, channel * pixels, pixels);
      }
      int height = geometry.patching().height();
      int width = geometry.patching().width();
      byte[] rgb = frameDecoder.decode(FloatBuffer.wrap(frame), height, width);
      events.accept(
          WorkEvent.newBuilder()
              .setFrames(
                  DecodedFrames.newBuilder()
                      .setFirstFrame(frames.start() + i)
                      .setFrames(1)
                      .setHeight(height * frameDecoder.compression())
                      .setWidth(width * frameDecoder.compression())
                      .setRgb(UnsafeByteOperations.unsafeWrap(rgb)))
              .build());
    }
  }

  private void stopIfCanceled() {
    if (canceled.getAsBoolean()) {
      throw new LongtakeException(ErrorCode.CANCELED, "The job was cancelled");
    }
  }

  private final class Listener implements SamplingListener {
    private final SliceTap tap;
    private final ModelDescription model;

    Listener(SliceTap tap, ModelDescription model) {
      this.tap = tap;
      this.model = model;
    }

    @Override
    public void stepStarting(int step) {
      stopIfCanceled();
    }

    @Override
    public void stepFinished(int step) {
      if (exchange.rank() == 0) {
        events.accept(
            WorkEvent.newBuilder()
                .setStepFinished(
                    StepFinished.newBuilder()
                        .setStep(step + 1)
                        .setSteps(task.getSchedule().getSteps()))
                .build());
      }
    }

    @Override
    public boolean wants(String name) {
      return tap.wants(name);
    }

    @Override
    public void latents(String name, int step, Matrix latents) {
      int channels = name.equals("model_out") ? model.outputChannels() : model.latentChannels();
      tap.latents(name + "/" + step, latents, channels);
    }

    @Override
    public void values(String name, int step, float[] values) {
      tap.whole(name + "/" + step, values, List.of((long) values.length));
    }
  }
}
