package dev.longtake.worker.engine.gang;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.exec.Predictions;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The predictions of all branch groups to each of them, so that all guide and move their copy of the latents alike: nothing but
 * what guidance needs crosses, once per step. Owns its host memory.
 */
final class BranchExchange implements AutoCloseable {
  private final RankWork work;
  private final Exchange exchange;
  private final Predictions predictions;
  private final IntUnaryOperator channels;
  private final Arena arena = Arena.ofShared();
  private final @Nullable MemorySegment[] memory;

  /**
   * An exchange among the groups' ranks that hold the same frames.
   *
   * @param channels how many of the first channels of a row are needed
   */
  BranchExchange(RankWork work, Predictions predictions, IntUnaryOperator channels) {
    this.work = work;
    this.exchange = work.exchange(work.home()).among(work.share().acrossBranches());
    this.predictions = predictions;
    this.channels = channels;
    memory = new MemorySegment[exchange.ranks()];
    try {
      for (int group = 0; group < memory.length; group++) {
        memory[group] = arena.allocate(bytes(group), 64);
      }
    } catch (Throwable e) {
      arena.close();
      throw e;
    }
  }

  private long bytes(int group) {
    Range rows = work.share().rowsOf(group);
    long bytes = 0;
    for (int row = rows.start(); row < rows.end(); row++) {
      bytes += bytes(row(row));
    }
    return bytes;
  }

  private Matrix row(int row) {
    return predictions.firstChannels(row, channels.applyAsInt(row));
  }

  private static long bytes(Matrix matrix) {
    return (long) matrix.rows() * matrix.columns() * matrix.dtype().sizeBytes();
  }

  void run(String place) {
    int groups = exchange.ranks();
    MemorySegment mine = memory(exchange.rank());
    forRows(exchange.rank(), mine, (row, part) -> work.device().download(row, part));
    @Nullable MemorySegment[] outgoing = new MemorySegment[groups];
    @Nullable MemorySegment[] incoming = new MemorySegment[groups];
    for (int group = 0; group < groups; group++) {
      if (group != exchange.rank()) {
        outgoing[group] = mine;
        incoming[group] = memory(group);
      }
    }
    exchange.allToAll(outgoing, incoming, place + ", predictions of the other branches");
    for (int group = 0; group < groups; group++) {
      if (group != exchange.rank()) {
        forRows(group, memory(group), (row, part) -> work.device().upload(part, row));
      }
    }
  }

  private interface Copy {
    void run(Matrix row, MemorySegment part);
  }

  private void forRows(int group, MemorySegment segment, Copy copy) {
    Range rows = work.share().rowsOf(group);
    long at = 0;
    for (int index = rows.start(); index < rows.end(); index++) {
      Matrix row = row(index);
      if (bytes(row) > 0) {
        copy.run(row, segment.asSlice(at, bytes(row)));
      }
      at += bytes(row);
    }
  }

  private MemorySegment memory(int group) {
    MemorySegment segment = memory[group];
    if (segment == null) {
      throw new IllegalStateException("Expected memory for branch group " + group);
    }
    return segment;
  }

  @Override
  public void close() {
    arena.close();
  }
}
