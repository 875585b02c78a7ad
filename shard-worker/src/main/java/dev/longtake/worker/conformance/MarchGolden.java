package dev.longtake.worker.conformance;

import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.ForwardRow;
import dev.longtake.v1.ForwardTask;
import dev.longtake.v1.RowCondition;
import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.order.ProtoTensors;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Runs of Open-Sora's March 2024 models: a batch of clips of different size as lists of patches, padded to the longest, with texts
 * padded likewise. Every row becomes a task of its own without padding, told how long its padded batch was because
 * positions depend on that; padded tokens, which the reference fills with an average of all keys, are not compared. A clip
 * is given as one frame of one patch for each of its patches: the models know the patches' sequence only.
 */
final class MarchGolden implements GoldenFamily {
  private final GoldenRun run;
  private final Values patches;
  private final Values text;
  private final boolean pooled;
  private final boolean concatenated;

  MarchGolden(GoldenRun run) {
    this.run = run;
    patches = run.input("video_latent_states");
    text = run.input("text_latent_states");
    pooled = text.shape().size() == 2;
    concatenated = run.output("x_embed").size(1) > patches.size(1);
  }

  private int rows() {
    return patches.size(0);
  }

  private int paddedPatches() {
    return patches.size(1);
  }

  private int paddedTokens() {
    return pooled ? 0 : text.size(1);
  }

  private int realPatches(int row) {
    return real("video_padding_mask", row, paddedPatches());
  }

  private int realTokens(int row) {
    return pooled ? 0 : real("text_padding_mask", row, paddedTokens());
  }

  private int real(String mask, int row, int padded) {
    if (!run.hasInput(mask)) {
      return padded;
    }
    double[] flags = run.input(mask).values();
    return (int) Arrays.stream(flags, row * padded, (row + 1) * padded).sum();
  }

  @Override
  public List<ForwardTask.Builder> tasks() {
    List<ForwardTask.Builder> tasks = new ArrayList<>();
    float[] timesteps = run.input("t").floats();
    for (int row = 0; row < rows(); row++) {
      int channels = patches.size(2);
      int side = patches.size(3);
      tasks.add(
          ForwardTask.newBuilder()
              .setGeometry(
                  ClipGeometry.newBuilder()
                      .setLatentFrames(realPatches(row))
                      .setLatentHeight(side)
                      .setLatentWidth(side)
                      .setPixelHeight(side)
                      .setPixelWidth(side))
              .setLatents(
                  ProtoTensors.of(
                      latents(row),
                      List.of(
                          1L, (long) channels, (long) realPatches(row), (long) side, (long) side)))
              .addRows(
                  ForwardRow.newBuilder()
                      .setCondition(condition(row))
                      .setTimestep(timesteps[row])));
    }
    return tasks;
  }

  /** Patches [patch, channel, row, column] to latents [channel, patch as a frame, row, column]. */
  private float[] latents(int row) {
    int channels = patches.size(2);
    int pixels = patches.size(3) * patches.size(4);
    int count = realPatches(row);
    // In a guided forward the second half of the rows sees the latents of the first.
    int source = run.number("cfg_scale").isPresent() ? row % (rows() / 2) : row;
    float[] latents = new float[channels * count * pixels];
    for (int patch = 0; patch < count; patch++) {
      for (int channel = 0; channel < channels; channel++) {
        int from = ((source * paddedPatches() + patch) * channels + channel) * pixels;
        float[] values = GoldenText.part(patches, from, pixels);
        System.arraycopy(values, 0, latents, (channel * count + patch) * pixels, pixels);
      }
    }
    return latents;
  }

  private RowCondition condition(int row) {
    int channels = text.size(pooled ? 1 : 2);
    RowCondition condition =
        pooled
            ? RowCondition.newBuilder()
                .setPooledText(
                    ProtoTensors.of(
                        GoldenText.part(text, row * channels, channels), List.of((long) channels)))
                .build()
            : GoldenText.tokens(
                GoldenText.part(text, row * paddedTokens() * channels, realTokens(row) * channels),
                realTokens(row),
                channels);
    return condition.toBuilder()
        .setPaddedTokens(paddedTokens())
        .setPaddedSequence((concatenated ? paddedTokens() : 0) + paddedPatches())
        .build();
  }

  @Override
  public List<String> captures(String name) {
    return switch (name) {
      case "cond" -> List.of(pooled ? "cond" : "t_emb");
      case "text_embed" -> List.of(pooled ? "text_embed" : "y_packed");
      default -> concatenated ? List.of(name + "/text", name) : List.of(name);
    };
  }

  @Override
  public double[] reference(String name) {
    Values values = run.output(name);
    boolean ofText = name.equals("text_embed") && !pooled;
    boolean ofTokens = !ofText && values.shape().size() >= 3;
    if (!ofText && !ofTokens) {
      return values.values();
    }
    // Rows [text tokens, patches], each padded at its end; a position table is the same for all
    // rows.
    int tokens = values.size(1);
    int width = values.values().length / values.size(0) / tokens;
    boolean withText = ofText || (concatenated && tokens > paddedPatches());
    double[] kept = new double[rows() * tokens * width];
    int at = 0;
    for (int row = 0; row < rows(); row++) {
      int first = row % values.size(0) * tokens;
      int textTokens = withText ? realTokens(row) : 0;
      System.arraycopy(values.values(), first * width, kept, at, textTokens * width);
      at += textTokens * width;
      if (ofTokens) {
        int from = (first + (withText ? paddedTokens() : 0)) * width;
        System.arraycopy(values.values(), from, kept, at, realPatches(row) * width);
        at += realPatches(row) * width;
      }
    }
    return Arrays.copyOf(kept, at);
  }

  @Override
  public float @Nullable [] ours(String name, List<Map<String, Captured>> captured) {
    List<float[]> parts = new ArrayList<>();
    for (int row = 0; row < rows(); row++) {
      if (name.equals("output")) {
        parts.add(patchValues(captured, row));
        continue;
      }
      for (String part : captures(name)) {
        Captured values = captured.get(row).get(part);
        if (values != null) {
          parts.add(values.values());
        } else if (!part.endsWith("/text")) {
          return null;
        }
      }
    }
    float[] all = new float[parts.stream().mapToInt(part -> part.length).sum()];
    int at = 0;
    for (float[] part : parts) {
      System.arraycopy(part, 0, all, at, part.length);
      at += part.length;
    }
    return all;
  }

  /** Latents [channel, patch, row, column] of a row to patches [patch, channel, row, column], guided where the run is. */
  private float[] patchValues(List<Map<String, Captured>> captured, int row) {
    float[] own = output(captured, row);
    int channels = run.output("output").size(2);
    int guidedChannels = channels / 2;
    int count = realPatches(row);
    int pixels = own.length / channels / count;
    float[] values = new float[own.length];
    for (int patch = 0; patch < count; patch++) {
      for (int channel = 0; channel < channels; channel++) {
        int from = (channel * count + patch) * pixels;
        int to = (patch * channels + channel) * pixels;
        for (int i = 0; i < pixels; i++) {
          values[to + i] =
              channel < guidedChannels ? guided(captured, row, from + i) : own[from + i];
        }
      }
    }
    return values;
  }

  private float guided(List<Map<String, Captured>> captured, int row, int at) {
    return run.number("cfg_scale")
        .map(scale -> {
          int half = rows() / 2;
          float conditional = output(captured, row % half)[at];
          float unconditional = output(captured, row % half + half)[at];
          return unconditional + scale.floatValue() * (conditional - unconditional);
        })
        .orElseGet(() -> output(captured, row)[at]);
  }

  private static float[] output(List<Map<String, Captured>> captured, int row) {
    Captured output = captured.get(row).get("output");
    if (output == null) {
      throw new IllegalStateException("Expected the engine's output");
    }
    return output.values();
  }
}
