package dev.longtake.worker.conformance;

import dev.longtake.v1.Guidance;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.SamplingTask;
import dev.longtake.worker.conformance.GoldenRun.Values;

/** Runs of Open-Sora 1.2. */
final class RectifiedFlowFormat implements SamplerFormat {
  @Override
  public int steps(GoldenRun run) {
    return (int) run.requireNumber("num_sampling_steps");
  }

  @Override
  public SamplingTask.Builder task(GoldenRun run) {
    Values start = run.input("z_start");
    SamplingTask.Builder task =
        SamplingTask.newBuilder()
            .setGeometry(
                GoldenLatents.geometry(
                        start.shape(),
                        run.input("height").values()[0],
                        run.input("width").values()[0])
                    .setPixelFrames((int) run.input("num_frames").values()[0])
                    .setFps(run.input("fps").values()[0]))
            .addAllPrompts(GoldenText.rows(run))
            .setRectifiedFlow(
                RectifiedFlow.newBuilder()
                    .setSteps(steps(run))
                    .setTimesteps(TIMESTEPS)
                    .setDiscrete(run.flag("use_discrete_timesteps"))
                    .setTransform(run.flag("use_timestep_transform")))
            .setGuidance(Guidance.newBuilder().setStrength(run.requireNumber("cfg_scale")))
            .setLatents(GoldenLatents.tensor(start));
    if (run.hasInput("frame_mask")) {
      task.setFrameMask(GoldenLatents.tensor(run.input("frame_mask")))
          .setEditNoise(GoldenLatents.tensor(run.input("noise")));
    }
    return task;
  }
}
