package dev.longtake.worker.order;

import static dev.longtake.worker.order.OrderGeometry.require;

import dev.longtake.common.stepcache.Reusable;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.common.stepcache.StepCaches;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.StepCacheUse;
import dev.longtake.v1.WorkFinished;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.exec.Branch;
import dev.longtake.worker.engine.exec.Condition;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.gang.FinalFrames;
import dev.longtake.worker.engine.gang.GangDenoiser;
import dev.longtake.worker.engine.gang.Lanes;
import dev.longtake.worker.engine.gang.RankWork;
import dev.longtake.worker.engine.gang.StageLoop;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.reuse.ReuseCounts;
import dev.longtake.worker.engine.sampler.Guidance;
import dev.longtake.worker.engine.sampler.Sampler;
import dev.longtake.worker.engine.sampler.SamplerState;
import dev.longtake.worker.engine.sampler.SamplingInput;
import dev.longtake.worker.engine.sampler.SamplingLoop;
import dev.longtake.worker.media.FrameDecoder;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;

/** The sampling loop of one rank, then its part of the frames decoded. */
final class SamplingOrder {
  private final OrderWork work;
  private final @Nullable FrameDecoder decoder;
  private final SamplingTask task;
  private final StepCacheMode stepCache;

  SamplingOrder(
      OrderWork work, @Nullable FrameDecoder decoder, SamplingTask task, ModelProfile profile) {
    this.work = work;
    this.decoder = decoder;
    this.task = task;
    this.stepCache = StepCaches.of(task.getStepCache(), profile);
  }

  /** Whether a task needs the decoder. */
  static boolean wantsPixels(SamplingTask task) {
    return task.getDecode() || task.getPreviewEvery() > 0;
  }

  /**
   * Returns the nanoseconds spent on decoding after the last step.
   *
   * @param finished told of what steps took over
   */
  long run(WorkFinished.Builder finished) {
    ModelDescription model = work.model();
    int samples = task.getPromptsCount();
    require(samples >= 1, "prompts", "Expected at least one prompt, but got none");
    require(
        !wantsPixels(task) || (samples == 1 && decoder != null),
        task.getDecode() ? "decode" : "preview_every",
        "Expected one sample and a model folder with a VAE to decode, but got %d samples and %s VAE"
            .formatted(samples, decoder == null ? "no" : "a"));
    require(
        task.getPreviewEvery() >= 0,
        "preview_every",
        "Expected preview_every of 0 (no previews are sent) or a number of steps, but got %d"
            .formatted(task.getPreviewEvery()));
    require(
        task.getCheckpointEvery() >= 0,
        "checkpoint_every",
        "Expected checkpoint_every of 0 (no state is sent) or a number of steps, but got %d"
            .formatted(task.getCheckpointEvery()));
    Sampler sampler = OrderSampler.sampler(task, model);
    Guidance guidance = OrderSampler.guidance(task, model);
    Geometry geometry =
        OrderGeometry.geometry(
            task.getGeometry(),
            model,
            guidance.branches() * samples,
            work.plan(),
            work.exchange().rank());
    int frames = geometry.patching().frames();
    require(
        task.getDecodeFrom() >= 0 && task.getDecodeFrom() < frames,
        "decode_from",
        "Expected decode_from to be a latent frame of 0 to %d, but got %d"
            .formatted(frames - 1, task.getDecodeFrom()));
    Condition condition = condition(samples, guidance, model);
    RankWork rank = work.rank(geometry, condition);
    SamplingInput input = OrderInput.of(task, model, geometry, sampler, guidance, stepCache);
    work.turn().take();
    try (Lanes lanes = new Lanes(rank, work.taps(geometry, condition, task.getCaptureList()))) {
      lanes.prepare();
      long decoding;
      if (rank.share().isLastStage()) {
        decoding = sample(lanes, rank, input);
      } else {
        try (StageLoop loop =
            new StageLoop(rank, lanes, input, listener(lanes, rank, silent(geometry), input))) {
          loop.run();
        }
        decoding = decode(rank, /* latents= */ null);
      }
      if (!stepCache.equals(StepCaches.EXACT)) {
        finished.setStepCacheUse(
            use(input.reuse().counts(model.blocks(), restReused(lanes, input))));
      }
      return decoding;
    } finally {
      work.turn().giveIfHeld();
    }
  }

  private long sample(Lanes lanes, RankWork rank, SamplingInput input) {
    ModelDescription model = work.model();
    Geometry geometry = rank.share().geometry();
    // All branch groups have the same latents; the first one tells of them.
    SliceTap tap = work.tap(geometry, task.getCaptureList(), rank.share().isFirstBranchGroup());
    try (GangDenoiser denoiser = new GangDenoiser(rank, lanes, neededChannels(geometry, input));
        SamplingLoop loop =
            new SamplingLoop(
                work.device(), denoiser, geometry, input, listener(lanes, rank, tap, input))) {
      Matrix latents = loop.run();
      if (tap.wants("final")) {
        tap.latents("final", latents, model.latentChannels());
      }
      return decode(rank, latents);
    }
  }

  /**
   * This rank's part of the frames that are wanted.
   *
   * @param latents that this rank has; null in stages before the last
   */
  private long decode(RankWork rank, @Nullable Matrix latents) {
    if (!task.getDecode() || decoder == null) {
      return 0;
    }
    FinalFrames frames = new FinalFrames(rank, task.getDecodeFrom());
    float[] mine = frames.exchange(latents);
    // Decoding has threads of its own.
    work.turn().give();
    long start = System.nanoTime();
    new FrameDecoding(work, decoder).run(frames.mine(), mine, rank.share().geometry().patching());
    return System.nanoTime() - start;
  }

  private StepListener listener(Lanes lanes, RankWork rank, SliceTap tap, SamplingInput input) {
    int steps = input.sampler().steps();
    Previews previews = new Previews(work, rank, decoder, task, steps);
    StepListener.States states =
        new StepListener.States(
            task.getCheckpointEvery(), input.reuse(), () -> restReused(lanes, input));
    return new StepListener(work, rank, tap, steps, states, previews);
  }

  private static StepCacheUse use(ReuseCounts counts) {
    return StepCacheUse.newBuilder()
        .setSteps(counts.steps())
        .setStepsWithReuse(counts.stepsWithReuse())
        .setOperations(counts.operations())
        .setSpatialReused(counts.reused(Reusable.SPATIAL))
        .setTemporalReused(counts.reused(Reusable.TEMPORAL))
        .setCrossReused(counts.reused(Reusable.CROSS))
        .setMlpReused(counts.reused(Reusable.MLP))
        .build();
  }

  /** Of all steps of the task, those before it goes on included. */
  private static int restReused(Lanes lanes, SamplingInput input) {
    SamplerState resume = input.resume();
    return lanes.restReused() + (resume == null ? 0 : resume.restReused());
  }

  private SliceTap silent(Geometry geometry) {
    return work.tap(geometry, List.of(), /* tells= */ false);
  }

  /** Guidance needs the prediction of every row, and a learned variance counts of the prompts' rows only. */
  private IntUnaryOperator neededChannels(Geometry geometry, SamplingInput input) {
    ModelDescription model = work.model();
    boolean capturesAll =
        task.getCaptureList().stream().anyMatch(name -> name.startsWith("model_out/"));
    boolean learned = input.sampler().plan(geometry).learnsVariance();
    return row ->
        capturesAll || (learned && row < input.samples())
            ? model.outputChannels()
            : model.latentChannels();
  }

  /** Groups of rows, as {@link Guidance} orders them: the prompts, then the null conditions as often as they are needed. */
  private Condition condition(int samples, Guidance guidance, ModelDescription model) {
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
    for (int group = 1; group < guidance.branches(); group++) {
      for (int sample = 0; sample < samples; sample++) {
        branches.add(
            given == 0
                ? OrderConditions.nullBranch(branches.get(sample), model)
                : OrderConditions.givenNullBranch(
                    sample, task.getNullConditions(sample), scalars, model));
      }
    }
    return new Condition(branches, task.hasFrameMask() || task.hasGivenFrames());
  }

  private Branch.Scalars scalars() {
    ClipGeometry clip = task.getGeometry();
    return new Branch.Scalars(
        (float) clip.getFps(),
        (float) clip.getPixelHeight(),
        (float) clip.getPixelWidth(),
        (float) (clip.getPixelHeight() / clip.getPixelWidth()),
        clip.getPixelFrames(),
        (float) task.getGuidance().getStrength());
  }
}
