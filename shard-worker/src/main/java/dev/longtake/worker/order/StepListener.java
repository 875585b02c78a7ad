package dev.longtake.worker.order;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.StatePart;
import dev.longtake.v1.StepFinished;
import dev.longtake.v1.WorkEvent;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.gang.RankWork;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.reuse.ReuseSchedule;
import dev.longtake.worker.engine.sampler.LocalState;
import dev.longtake.worker.engine.sampler.SamplingListener;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;

/**
 * What a rank does between the steps: tells how far it is, sends its part of the sampler's state and previews, hands on captured
 * latents, and lets other jobs have the device. All branch groups have the same latents; the first one's ranks of the last stage send the
 * state, each its own frames.
 */
final class StepListener implements SamplingListener {
  private final OrderWork work;
  private final RankWork rank;
  private final SliceTap tap;
  private final int steps;
  private final States states;
  private final Previews previews;

  /**
   * When states are sent.
   *
   * @param every steps from one to the next, or to the first step after that with which a run can begin; 0: none are sent
   * @param reuse says with which steps a run can begin
   * @param restReused steps so far that took over what all blocks but the first one add
   */
  record States(int every, ReuseSchedule reuse, IntSupplier restReused) {}

  /**
   * A listener for one run of the loop.
   *
   * @param tap for captured latents
   */
  StepListener(
      OrderWork work, RankWork rank, SliceTap tap, int steps, States states, Previews previews) {
    this.work = work;
    this.rank = rank;
    this.tap = tap;
    this.steps = steps;
    this.states = states;
    this.previews = previews;
  }

  @Override
  public void stepStarting(int step) {
    if (work.canceled().getAsBoolean()) {
      throw new LongtakeException(ErrorCode.CANCELED, "The job was cancelled");
    }
    work.trace().beginStep();
    rank.homeTrace().begin("sampling loop");
  }

  @Override
  public void stepFinished(int step, @Nullable LocalState after) {
    rank.homeTrace().pause();
    StatePart state = after == null || !isCheckpoint(step + 1) ? null : part(step + 1, after);
    work.trace().endStep();
    // Other jobs on the device get their turn, too, and a coordinator that reads slowly does not
    // hold it. With stages an exchange gives it up soon, and latents that waited for another job
    // would leave the first stage idle. Decoding takes longer than that.
    boolean yields = work.plan().stages().size() == 1 || previews.isDue();
    if (yields) {
      work.turn().give();
    }
    if (state != null) {
      work.events().accept(WorkEvent.newBuilder().setState(state).build());
    }
    if (rank.share().tells()) {
      StepFinished finished = StepFinished.newBuilder().setStep(step + 1).setSteps(steps).build();
      work.events().accept(WorkEvent.newBuilder().setStepFinished(finished).build());
    }
    previews.send(step + 1);
    if (yields) {
      work.turn().take();
    }
  }

  private boolean isCheckpoint(int stepsDone) {
    return stepsDone < steps
        && states.reuse.isCheckpoint(stepsDone, states.every)
        && rank.share().isFirstBranchGroup()
        && !rank.share().geometry().latentFrames().isEmpty();
  }

  private StatePart part(int stepsDone, LocalState after) {
    rank.homeTrace().begin("checkpoint");
    int channels = work.model().latentChannels();
    StatePart.Builder part =
        StatePart.newBuilder()
            .setStepsDone(stepsDone)
            .setRestReused(states.restReused.getAsInt())
            .setLatents(tap.slice("latents", after.latents(), channels));
    if (after.previous() != null) {
      part.setPrevious(tap.slice("previous", after.previous(), channels));
    }
    rank.homeTrace().pause();
    return part.build();
  }

  @Override
  public OptionalInt previewedFrame(int step) {
    return previews.wanted(step + 1);
  }

  @Override
  public void estimate(int step, float[] frame) {
    previews.take(frame);
  }

  @Override
  public boolean wants(String name) {
    return tap.wants(name);
  }

  @Override
  public void latents(String name, int step, Matrix latents) {
    ModelDescription model = work.model();
    int channels =
        switch (name) {
          case "model_out" -> model.outputChannels();
          case "reference_latents" -> 1 + model.latentChannels();
          default -> model.latentChannels();
        };
    tap.latents(name + "/" + step, latents, channels);
  }

  @Override
  public void values(String name, int step, float[] values) {
    tap.whole(name + "/" + step, values, List.of((long) values.length));
  }
}
