package dev.longtake.worker.conformance;

import dev.longtake.worker.conformance.GoldenRun.Values;
import java.util.Arrays;

/**
 * The reference's layouts: tokens as [batch, tokens, channels] in most places, but around an attention as that attention sees
 * them, [(batch frames), patches, channels] in space and [(batch patches), frames, channels] in time, and with the heads
 * in front of the tokens for single heads.
 */
final class GoldenLayout {
  private static final String PADDED_TEXT = "y_proj";
  private final GoldenRun run;

  GoldenLayout(GoldenRun run) {
    this.run = run;
  }

  /** The engine only has the text without its padding. */
  String engineName(String name) {
    return name.equals(PADDED_TEXT) ? "y_packed" : name;
  }

  /** The reference's values; of the padded text only the tokens that the mask keeps. */
  double[] reference(String name) {
    Values values = run.output(name);
    if (!name.equals(PADDED_TEXT)) {
      return values.values();
    }
    int tokens = values.size(2);
    int channels = values.size(3);
    int rows = values.size(0);
    int kept = 0;
    double[] packed = new double[values.values().length];
    for (int row = 0; row < rows; row++) {
      for (int token : GoldenText.keptTokens(run, row, tokens)) {
        int from = (row * tokens + token) * channels;
        System.arraycopy(values.values(), from, packed, kept++ * channels, channels);
      }
    }
    return Arrays.copyOf(packed, kept * channels);
  }

  /** The engine's values in the reference's order. */
  float[] rearrange(String name, Captured captured) {
    boolean temporal = name.startsWith("temporal_blocks.");
    boolean heads = name.contains(".attn.");
    boolean attentionOrder = heads || name.endsWith(".attn_in") || name.endsWith(".attn_out");
    if (!attentionOrder) {
      return captured.values();
    }
    int headCount = heads ? run.output(name).size(1) : 1;
    int branches = captured.size(0);
    int frames = captured.size(1);
    int patches = captured.size(2);
    int width = captured.size(3) / headCount;
    int sequences = temporal ? patches : frames;
    int tokens = temporal ? frames : patches;
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
