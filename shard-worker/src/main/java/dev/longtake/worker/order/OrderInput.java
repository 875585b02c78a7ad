package dev.longtake.worker.order;

import static dev.longtake.worker.order.OrderGeometry.require;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.common.stepcache.StepCaches;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.Tensor;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.reuse.ReuseSchedule;
import dev.longtake.worker.engine.sampler.GivenFrames;
import dev.longtake.worker.engine.sampler.Guidance;
import dev.longtake.worker.engine.sampler.Sampler;
import dev.longtake.worker.engine.sampler.SamplerState;
import dev.longtake.worker.engine.sampler.SamplingInput;
import java.util.Locale;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/** The latents, masks and noise that a task brings along, checked. */
final class OrderInput {
  private final SamplingTask task;
  private final ModelDescription model;
  private final Geometry geometry;
  private final Sampler sampler;

  private final StepCacheMode stepCache;
  private final ReuseSchedule reuse;

  /** Shape of all samples: [samples, channels, frames, height, width]. */
  private final long[] clip;

  private OrderInput(
      SamplingTask task,
      ModelDescription model,
      Geometry geometry,
      Sampler sampler,
      StepCacheMode stepCache) {
    this.stepCache = stepCache;
    this.reuse = sampler.reuse(stepCache, geometry);
    this.task = task;
    this.model = model;
    this.geometry = geometry;
    this.sampler = sampler;
    clip =
        new long[] {
          task.getPromptsCount(),
          model.latentChannels(),
          geometry.patching().frames(),
          geometry.patching().height(),
          geometry.patching().width()
        };
  }

  /**
   * What a task samples.
   *
   * @throws LongtakeException INVALID_REQUEST naming the field, its value and what is allowed
   */
  static SamplingInput of(
      SamplingTask task,
      ModelDescription model,
      Geometry geometry,
      Sampler sampler,
      Guidance guidance,
      StepCacheMode stepCache) {
    return new OrderInput(task, model, geometry, sampler, stepCache).input(guidance);
  }

  private SamplingInput input(Guidance guidance) {
    GivenFrames given = givenFrames();
    return new SamplingInput(
        task.getPromptsCount(),
        sampler,
        guidance,
        task.getSeed(),
        task.hasLatents() ? ProtoTensors.floats(task.getLatents(), "latents", clip) : null,
        given,
        given == null ? frameMask() : maskOf(given.frames()),
        task.hasStepNoise() ? ofSteps(task.getStepNoise(), "step_noise") : null,
        task.hasEditNoise() ? ofSteps(task.getEditNoise(), "edit_noise") : null,
        reference(),
        resume(),
        reuse);
  }

  private float @Nullable [] frameMask() {
    if (!task.hasFrameMask()) {
      return null;
    }
    requireFrameRule("frame_mask", "frame mask");
    return ProtoTensors.floats(task.getFrameMask(), "frame_mask", clip[0], clip[2]);
  }

  private void requireFrameRule(String field, String words) {
    require(
        sampler.plan(geometry).frames() != null,
        field,
        "Expected no %s for schedule %s, only for rectified_flow and ancestral"
            .formatted(words, schedule()));
  }

  private @Nullable GivenFrames givenFrames() {
    if (!task.hasGivenFrames()) {
      return null;
    }
    requireFrameRule("given_frames", "given frames");
    require(
        !task.hasFrameMask(),
        "given_frames",
        "Expected either given_frames or frame_mask, but got both; leave one of them out");
    double ratio = task.getGivenFrames().getEditRatio();
    require(
        ratio >= 0 && ratio < 1,
        "given_frames.edit_ratio",
        "Expected given_frames.edit_ratio of 0 (keeps the frames) up to, but not including, 1, but got %s"
            .formatted(ratio));
    Tensor latents = task.getGivenFrames().getLatents();
    long frames = latents.getShapeCount() > 2 ? latents.getShape(2) : 0;
    require(
        frames >= 1 && frames < clip[2],
        "given_frames.latents",
        "Expected given_frames.latents of 1 to %d frames, because the clip has %d, but got shape %s"
            .formatted(clip[2] - 1, clip[2], latents.getShapeList()));
    float[] values =
        ProtoTensors.floats(
            latents, "given_frames.latents", clip[0], clip[1], frames, clip[3], clip[4]);
    return new GivenFrames((int) frames, values);
  }

  /** The edit ratio for the first frames of every sample, 1 for the others: [samples, frames]. */
  private float[] maskOf(int givenFrames) {
    float[] mask = new float[(int) (clip[0] * clip[2])];
    for (int i = 0; i < mask.length; i++) {
      mask[i] = i % clip[2] < givenFrames ? (float) task.getGivenFrames().getEditRatio() : 1;
    }
    return mask;
  }

  private String schedule() {
    return task.getScheduleCase().name().toLowerCase(Locale.ROOT);
  }

  private float[] ofSteps(Tensor noise, String field) {
    long[] shape = LongStream.concat(LongStream.of(sampler.steps()), LongStream.of(clip)).toArray();
    return ProtoTensors.floats(noise, field, shape);
  }

  private float @Nullable [] reference() {
    if (!task.hasReferenceLatents()) {
      return null;
    }
    require(
        model.patches().hasReference(),
        "reference_latents",
        "Expected no reference latents, because the model sees none, but got some");
    return ProtoTensors.floats(
        task.getReferenceLatents(),
        "reference_latents",
        clip[0],
        1 + clip[1],
        clip[2],
        clip[3],
        clip[4]);
  }

  private @Nullable SamplerState resume() {
    if (!task.hasResume()) {
      return null;
    }
    var state = task.getResume();
    require(
        state.getStepsDone() >= 1 && state.getStepsDone() < sampler.steps(),
        "resume.steps_done",
        "Expected resume.steps_done of 1 to %d, because the job has %d steps, but got %d"
            .formatted(sampler.steps() - 1, sampler.steps(), state.getStepsDone()));
    StepCacheMode before = StepCaches.of(state.getStepCache(), ModelProfile.getDefaultInstance());
    require(
        before.equals(stepCache),
        "resume.step_cache",
        "Expected a state of a run with the same step cache, %s, but it is of one with %s; a run goes on as it began"
            .formatted(StepCaches.words(stepCache), StepCaches.words(before)));
    require(
        reuse.isFresh(state.getStepsDone()),
        "resume.steps_done",
        "Expected resume.steps_done before a step that takes nothing over from earlier ones, but with the step cache %s step %d may"
            .formatted(StepCaches.words(stepCache), state.getStepsDone() + 1));
    boolean remembers = sampler.plan(geometry).remembers();
    require(
        state.hasPrevious() == remembers,
        "resume.previous",
        "Expected resume.previous for dpm_solver and for no other schedule, but got %s for %s"
            .formatted(state.hasPrevious() ? "one" : "none", schedule()));
    return new SamplerState(
        state.getStepsDone(),
        ProtoTensors.floats(state.getLatents(), "resume.latents", clip),
        remembers ? ProtoTensors.floats(state.getPrevious(), "resume.previous", clip) : null,
        state.getRestReused());
  }
}
