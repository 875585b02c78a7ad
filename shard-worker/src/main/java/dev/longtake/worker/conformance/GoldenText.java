package dev.longtake.worker.conformance;

import dev.longtake.v1.RowCondition;
import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.order.ProtoTensors;
import java.util.ArrayList;
import java.util.List;

/** The reference's conditions as the engine takes them: class labels, pooled captions, or padded captions packed. */
final class GoldenText {
  private GoldenText() {}

  /**
   * One condition for each row of {@code y}: [rows] classes, [rows, 1, 1, channels] pooled captions, [rows, 1, tokens, channels] or
   * [rows, tokens, channels] captions, of which the mask keeps some; no mask keeps all.
   */
  static List<RowCondition> rows(GoldenRun run) {
    Values y = run.input("y");
    List<RowCondition> rows = new ArrayList<>();
    for (int row = 0; row < y.size(0); row++) {
      rows.add(row(run, y, row));
    }
    return rows;
  }

  private static RowCondition row(GoldenRun run, Values y, int row) {
    int axes = y.shape().size();
    if (axes == 1) {
      return RowCondition.newBuilder().setClassLabel((int) y.values()[row]).build();
    }
    int tokens = y.size(axes - 2);
    int channels = y.size(axes - 1);
    if (tokens == 1 && !run.hasInput("mask")) {
      return RowCondition.newBuilder()
          .setPooledText(
              ProtoTensors.of(part(y, row * channels, channels), List.of((long) channels)))
          .build();
    }
    List<Integer> kept = keptTokens(run, row, tokens);
    float[] packed = new float[kept.size() * channels];
    for (int i = 0; i < kept.size(); i++) {
      float[] token = part(y, (row * tokens + kept.get(i)) * channels, channels);
      System.arraycopy(token, 0, packed, i * channels, channels);
    }
    return tokens(packed, kept.size(), channels);
  }

  /** Text tokens [tokens, channels]. */
  static RowCondition tokens(float[] packed, int tokens, int channels) {
    return RowCondition.newBuilder()
        .setEmbedding(ProtoTensors.of(packed, List.of((long) tokens, (long) channels)))
        .build();
  }

  static float[] part(Values values, int from, int count) {
    float[] part = new float[count];
    for (int i = 0; i < count; i++) {
      part[i] = (float) values.values()[from + i];
    }
    return part;
  }

  /** A mask with fewer rows than the batch is repeated. */
  static List<Integer> keptTokens(GoldenRun run, int row, int tokens) {
    List<Integer> kept = new ArrayList<>();
    Values mask = run.hasInput("mask") ? run.input("mask") : null;
    for (int token = 0; token < tokens; token++) {
      if (mask == null || mask.values()[row % mask.size(0) * tokens + token] != 0) {
        kept.add(token);
      }
    }
    return kept;
  }
}
