package dev.longtake.worker.engine.gang;

import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.sampler.ClipRows;
import dev.longtake.worker.engine.sampler.SamplingInput;
import dev.longtake.worker.engine.sampler.SamplingListener;
import dev.longtake.worker.engine.sampler.StepConditions;
import org.jspecify.annotations.Nullable;

/**
 * The sampling loop of a stage before the last: it knows as well as the last one what each step tells the network, and lets its
 * blocks run; the first stage gets the latents for them. Owns its buffers, not the lanes.
 */
public final class StageLoop implements AutoCloseable {
  private final RankWork work;
  private final Lanes lanes;
  private final StepConditions conditions;
  private final SamplingListener listener;
  private final int firstStep;
  private final @Nullable DeviceBuffer buffer;
  private final @Nullable Matrix latents;
  private final @Nullable LatentsLink link;

  /** Allocates what the stage needs beside the lanes. */
  public StageLoop(RankWork work, Lanes lanes, SamplingInput input, SamplingListener listener) {
    this.work = work;
    this.lanes = lanes;
    this.listener = listener;
    this.firstStep = input.firstStep();
    RankShare share = work.share();
    conditions = new StepConditions(work.device(), share.geometry(), input);
    if (!share.isFirstStage()) {
      buffer = null;
      latents = null;
      link = null;
      return;
    }
    ClipRows rows =
        new ClipRows(share.geometry(), input.samples(), work.program().model().latentChannels());
    try {
      buffer = rows.allocate(work.device());
    } catch (Throwable e) {
      conditions.close();
      throw e;
    }
    try {
      latents = rows.in(buffer);
      int last = share.atStage(share.plan().stages().size() - 1);
      link = new LatentsLink(work.device(), work.exchange(work.home()), last, latents);
    } catch (Throwable e) {
      conditions.close();
      buffer.close();
      throw e;
    }
  }

  /** Runs the steps that are left. */
  public void run() {
    for (int step = firstStep; step < conditions.plan().steps().size(); step++) {
      listener.stepStarting(step);
      String place = "step " + (step + 1);
      if (link != null && latents != null) {
        link.receive(latents, place);
      }
      work.homeTrace().pause();
      lanes.step(conditions.input(step, latents), place, /* predictions= */ null);
      work.homeTrace().begin("stage loop");
      listener.stepFinished(step, /* after= */ null);
    }
  }

  @Override
  public void close() {
    if (link != null) {
      link.close();
    }
    if (buffer != null) {
      buffer.close();
    }
    conditions.close();
  }
}
