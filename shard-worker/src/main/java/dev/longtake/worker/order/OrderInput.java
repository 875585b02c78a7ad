package dev.longtake.worker.order;

import static dev.longtake.worker.order.OrderGeometry.require;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.Tensor;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.model.ModelDescription;
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

  /** Shape of all samples: [samples, channels, frames, height, width]. */
  private final long[] clip;

  private OrderInput(
      SamplingTask task, ModelDescription model, Geometry geometry, Sampler sampler) {
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
      Guidance guidance) {
    return new OrderInput(task, model, geometry, sampler).input(guidance);
  }

  private SamplingInput input(Guidance guidance) {
    return new SamplingInput(
        task.getPromptsCount(),
        sampler,
        guidance,
        task.getSeed(),
        task.hasLatents() ? ProtoTensors.floats(task.getLatents(), "latents", clip) : null,
        frameMask(),
        task.hasStepNoise() ? ofSteps(task.getStepNoise(), "step_noise") : null,
        task.hasEditNoise() ? ofSteps(task.getEditNoise(), "edit_noise") : null,
        reference(),
        resume());
  }

  private float @Nullable [] frameMask() {
    if (!task.hasFrameMask()) {
      return null;
    }
    require(
        sampler.plan(geometry).frames() != null,
        "frame_mask",
        "Expected no frame mask for schedule %s, only for rectified_flow and ancestral"
            .formatted(schedule()));
    return ProtoTensors.floats(task.getFrameMask(), "frame_mask", clip[0], clip[2]);
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
    boolean remembers = sampler.plan(geometry).remembers();
    require(
        state.hasPrevious() == remembers,
        "resume.previous",
        "Expected resume.previous for dpm_solver and for no other schedule, but got %s for %s"
            .formatted(state.hasPrevious() ? "one" : "none", schedule()));
    return new SamplerState(
        state.getStepsDone(),
        ProtoTensors.floats(state.getLatents(), "resume.latents", clip),
        remembers ? ProtoTensors.floats(state.getPrevious(), "resume.previous", clip) : null);
  }
}
