package dev.longtake.worker.conformance;

import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.ForwardRow;
import dev.longtake.v1.ForwardTask;
import dev.longtake.v1.RowCondition;
import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.order.ProtoTensors;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Runs whose latents are clips or images: DiT, Latte, PixArt and the STDiT family. Tokens are [batch, tokens, channels] in most
 * places, but around an attention as that attention sees them, [(batch frames), patches, channels] in space and [(batch
 * patches), frames, channels] in time, and with the heads in front of the tokens for single heads.
 */
final class VideoGolden implements GoldenFamily {
  /** The image DiT's guided forward leaves the fourth channel alone. */
  private static final int GUIDED_CHANNELS = 3;

  private static final String PADDED_TEXT = "y_proj";
  private final GoldenRun run;
  private final Values latents;

  VideoGolden(GoldenRun run) {
    this.run = run;
    latents = run.input("x");
  }

  private boolean image() {
    return latents.shape().size() == 4;
  }

  private int frames() {
    return image() ? 1 : latents.size(2);
  }

  private int side(int fromEnd) {
    return latents.size(latents.shape().size() - fromEnd);
  }

  @Override
  public List<ForwardTask.Builder> tasks() {
    int rows = latents.size(0);
    List<RowCondition> conditions = GoldenText.rows(run);
    ForwardTask.Builder task =
        ForwardTask.newBuilder()
            .setGeometry(
                ClipGeometry.newBuilder()
                    .setLatentFrames(frames())
                    .setLatentHeight(side(2))
                    .setLatentWidth(side(1))
                    .setPixelHeight(scalar("height", "data_info.hw", 0, 0))
                    .setPixelWidth(scalar("width", "data_info.hw", 1, 0)))
            .setLatents(
                ProtoTensors.of(
                    latents(),
                    List.of(
                        (long) rows,
                        (long) latents.size(1),
                        (long) frames(),
                        (long) side(2),
                        (long) side(1))));
    float[] timesteps = run.input(run.hasInput("t") ? "t" : "timestep").floats();
    for (int row = 0; row < rows; row++) {
      task.addRows(
          ForwardRow.newBuilder()
              .setCondition(conditions.get(row))
              .setTimestep(timesteps[row % timesteps.length])
              .setFps(scalar("fps", "fps", 0, row))
              .setHeight(scalar("height", "data_info.hw", 0, row))
              .setWidth(scalar("width", "data_info.hw", 1, row))
              .setAspectRatio(scalar("ar", "data_info.ar", 0, row))
              .setFrames(scalar("num_frames", "num_frames", 0, row)));
    }
    if (run.hasInput("x_mask")) {
      Values mask = run.input("x_mask");
      boolean[] flags = new boolean[mask.values().length];
      for (int i = 0; i < flags.length; i++) {
        flags[i] = mask.values()[i] != 0;
      }
      task.setFrameMask(ProtoTensors.of(flags, mask.shape()));
    }
    return List.of(task);
  }

  /** In a guided forward the second half of the rows sees the latents of the first. */
  private float[] latents() {
    float[] values = latents.floats();
    if (run.number("cfg_scale").isPresent()) {
      System.arraycopy(values, 0, values, values.length / 2, values.length / 2);
    }
    return values;
  }

  /** A number per row under one of two names, the second with columns; 1 where the run has neither. */
  private float scalar(String name, String other, int column, int row) {
    String found = run.hasInput(name) ? name : other;
    if (!run.hasInput(found)) {
      return 1;
    }
    Values values = run.input(found);
    int columns = values.shape().size() > 1 ? values.size(1) : 1;
    return (float) values.values()[row * columns + (columns > 1 ? column : 0)];
  }

  @Override
  public List<String> captures(String name) {
    if (name.equals(PADDED_TEXT)) {
      return List.of("y_packed");
    }
    if (name.equals("pos_embed")) {
      return List.of("pos_emb");
    }
    return List.of(
        name.replace("after_spatial_attn", "after_attn")
            .replace("after_temporal_attn", "after_attn_temp"));
  }

  /** Of the padded text only the tokens that the mask keeps. */
  @Override
  public double[] reference(String name) {
    Values values = run.output(name);
    if (!name.equals(PADDED_TEXT)) {
      return values.values();
    }
    int tokens = values.size(values.shape().size() - 2);
    int channels = values.size(values.shape().size() - 1);
    int kept = 0;
    double[] packed = new double[values.values().length];
    for (int row = 0; row < values.size(0); row++) {
      for (int token : GoldenText.keptTokens(run, row, tokens)) {
        int from = (row * tokens + token) * channels;
        System.arraycopy(values.values(), from, packed, kept++ * channels, channels);
      }
    }
    return Arrays.copyOf(packed, kept * channels);
  }

  @Override
  public float @Nullable [] ours(String name, List<Map<String, Captured>> captured) {
    Captured values = captured.getFirst().get(captures(name).getFirst());
    if (values == null) {
      return null;
    }
    Values reference = run.output(name);
    if (name.equals("output")) {
      return run.number("cfg_scale")
          .map(scale -> GoldenFamily.guided(values.values(), reference, scale, GUIDED_CHANNELS))
          .orElse(values.values());
    }
    if (name.startsWith("pos_emb")) {
      // The same for every row and frame; the reference has it once.
      return Arrays.copyOf(values.values(), reference.values().length);
    }
    if (values.shape().size() != 4) {
      return repeated(values, reference);
    }
    return rearranged(name, values, reference);
  }

  /** Where every frame is a row of its own, the reference repeats what all frames of a clip share. */
  private static float[] repeated(Captured values, Values reference) {
    int rows = values.size(0);
    int times = reference.size(0) / rows;
    int columns = values.size(1);
    if (times <= 1 || reference.shape().size() != 2) {
      return values.values();
    }
    float[] all = new float[rows * times * columns];
    for (int row = 0; row < rows * times; row++) {
      System.arraycopy(values.values(), row / times * columns, all, row * columns, columns);
    }
    return all;
  }

  private static float[] rearranged(String name, Captured captured, Values reference) {
    int branches = captured.size(0);
    int frames = captured.size(1);
    int patches = captured.size(2);
    boolean heads = name.contains("_norm") || name.contains("_rope");
    boolean temporal =
        reference.size(0) == branches * patches
            && reference.size(heads ? 2 : 1) == frames
            && (patches != frames || name.contains("temp"));
    int headCount = heads ? reference.size(1) : 1;
    int width = captured.size(3) / headCount;
    int sequences = temporal ? patches : frames;
    int tokens = temporal ? frames : patches;
    if (!temporal && !heads) {
      return captured.values();
    }
    float[] target = new float[captured.values().length];
    int at = 0;
    for (int branch = 0; branch < branches; branch++) {
      for (int sequence = 0; sequence < sequences; sequence++) {
        for (int head = 0; head < headCount; head++) {
          for (int token = 0; token < tokens; token++) {
            int frame = temporal ? token : sequence;
            int patch = temporal ? sequence : token;
            int from = (((branch * frames + frame) * patches + patch) * headCount + head) * width;
            System.arraycopy(captured.values(), from, target, at, width);
            at += width;
          }
        }
      }
    }
    return target;
  }
}
