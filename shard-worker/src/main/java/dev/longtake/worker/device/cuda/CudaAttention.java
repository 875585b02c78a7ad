package dev.longtake.worker.device.cuda;

import dev.longtake.worker.device.Sequences;
import java.util.Arrays;
import java.util.Set;

/** Attention: on the tensor cores where the result is bfloat16 and the head has a kernel there, else in float32. */
final class CudaAttention {
  /** Head dimensions of attention_bfloat.cu. */
  private static final Set<Integer> BFLOAT_DIMENSIONS = Set.of(32, 48, 64, 72, 80, 96, 128);

  private static final int BFLOAT_QUERIES = 64;
  private static final int BFLOAT_THREADS = 128;
  private static final int FLOAT_QUERIES = 8;
  private static final int FLOAT_THREADS = 256;
  private static final float LOG2_E = 1.442695f;

  private final Launcher launcher;

  CudaAttention(Launcher launcher) {
    this.launcher = launcher;
  }

  void run(
      CudaView query,
      CudaView key,
      CudaView value,
      CudaView out,
      int heads,
      Sequences queries,
      Sequences keys,
      float scale) {
    int dimension = query.columns() / heads;
    boolean tensorCores = out.bfloat() && BFLOAT_DIMENSIONS.contains(dimension);
    int most = Arrays.stream(queries.length()).max().orElse(0);
    int tiles = Math.ceilDiv(most, tensorCores ? BFLOAT_QUERIES : FLOAT_QUERIES);
    if (tiles == 0) {
      return;
    }
    Tables tables = launcher.tables();
    tables.begin(4L * queries.count(), 4);
    Arguments arguments = launcher.arguments().views(query, key, value, out);
    if (!tensorCores) {
      arguments.ints(dimension);
    }
    for (Sequences sequences : new Sequences[] {queries, keys}) {
      arguments
          .next()
          .putLong(tables.put(sequences.firstRow()))
          .putLong(tables.put(sequences.length()))
          .putLong(sequences.rowStride());
    }
    tables.send();
    arguments.ints(tiles).floats(scale * LOG2_E);
    launcher.launch(
        tensorCores ? "attentionBfloat" + dimension : "attentionFloat",
        Math.multiplyExact(queries.count(), tiles),
        heads,
        tensorCores ? BFLOAT_THREADS : FLOAT_THREADS,
        arguments);
  }
}
