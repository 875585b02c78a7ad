package dev.longtake.worker.conformance;

import dev.longtake.v1.Guidance;
import dev.longtake.v1.GuidedFlow;
import dev.longtake.v1.ImageGuidance;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.SamplingTask;
import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.order.ProtoTensors;
import java.util.Arrays;
import java.util.List;

/** Runs of Open-Sora 2.0, which packs latents into tokens. */
final class GuidedFlowFormat implements SamplerFormat {
  private static final String SCHEDULE = "schedule";
  private static final int PATCH = 2;

  @Override
  public int steps(GoldenRun run) {
    return (int) run.requireNumber("num_steps");
  }

  @Override
  public SamplingTask.Builder task(GoldenRun run) {
    Values reference = run.input("masked_ref");
    Values masks = run.input("masks");
    List<Long> clip = reference.shape();
    // All branches start with the same tokens.
    float[] tokens = Arrays.copyOf(run.input("img").floats(), reference.values().length);
    float[] start = packing(run).unpack(tokens, reference.size(0), reference.size(1));
    return SamplingTask.newBuilder()
        .setGeometry(
            GoldenLatents.geometry(clip, run.requireNumber("height"), run.requireNumber("width")))
        .addPrompts(condition(run, "txt_prompt", "y_vec_prompt"))
        .addNullConditions(condition(run, "txt_null", "y_vec_null"))
        .setGuidedFlow(GuidedFlow.newBuilder().setSteps(steps(run)).setShift(run.flag("shift")))
        .setGuidance(
            Guidance.newBuilder()
                .setStrength(run.requireNumber("guidance"))
                .setOscillating(run.flag("text_osci"))
                .setImage(
                    ImageGuidance.newBuilder()
                        .setStrength(run.requireNumber("guidance_img"))
                        .setOscillating(run.flag("image_osci"))
                        .setTemporalScaling(run.flag("scale_temporal_osci"))))
        .setLatents(ProtoTensors.of(start, clip))
        .setReferenceLatents(
            ProtoTensors.of(
                GoldenLatents.concatenate(List.of(masks.floats(), reference.floats())),
                List.of(clip.get(0), 1 + clip.get(1), clip.get(2), clip.get(3), clip.get(4))));
  }

  private static PackedTokens packing(GoldenRun run) {
    return PackedTokens.of(run.input("img_ids"), PATCH);
  }

  private static RowCondition condition(GoldenRun run, String text, String pooled) {
    Values tokens = run.input(text);
    Values vector = run.input(pooled);
    return GoldenText.tokens(tokens.floats(), tokens.size(1), tokens.size(2)).toBuilder()
        .setPooledText(ProtoTensors.of(vector.floats(), List.of((long) vector.size(1))))
        .build();
  }

  @Override
  public String engineName(String name) {
    return switch (name) {
      case "img_in" -> "z_in";
      case SCHEDULE -> "timesteps";
      default -> name;
    };
  }

  @Override
  public List<String> captures(GoldenRun run, String name) {
    return switch (name) {
      case "cond" -> List.of("reference_latents/0");
      case "final_packed" -> List.of("final");
      default -> SamplerFormat.super.captures(run, name);
    };
  }

  @Override
  public float[] arrange(GoldenRun run, String name, List<Captured> captured) {
    float[] values = SamplerFormat.super.arrange(run, name, captured);
    Captured first = captured.getFirst();
    return switch (name) {
      // The reference's ends with 0.
      case SCHEDULE -> Arrays.copyOf(values, values.length + 1);
      case "final" -> values;
      default -> packing(run).pack(values, captured.size() * first.size(0), first.size(1));
    };
  }
}
