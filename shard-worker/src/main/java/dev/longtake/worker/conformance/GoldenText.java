package dev.longtake.worker.conformance;

import dev.longtake.v1.RowCondition;
import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.order.ProtoTensors;
import java.util.ArrayList;
import java.util.List;

/** Padded captions with a mask, as the reference has them, to packed ones. */
final class GoldenText {
  private GoldenText() {}

  /** For each row of {@code y} [rows, 1, tokens, channels], the tokens that the mask keeps; no mask keeps all. */
  static List<RowCondition> rows(GoldenRun run) {
    Values y = run.input("y");
    int tokens = y.size(2);
    int channels = y.size(3);
    float[] values = y.floats();
    List<RowCondition> rows = new ArrayList<>();
    for (int row = 0; row < y.size(0); row++) {
      List<Integer> kept = keptTokens(run, row, tokens);
      float[] packed = new float[kept.size() * channels];
      for (int i = 0; i < kept.size(); i++) {
        int from = (row * tokens + kept.get(i)) * channels;
        System.arraycopy(values, from, packed, i * channels, channels);
      }
      rows.add(
          RowCondition.newBuilder()
              .setEmbedding(ProtoTensors.of(packed, List.of((long) kept.size(), (long) channels)))
              .build());
    }
    return rows;
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
