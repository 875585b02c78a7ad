package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.device.Sequences;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/** Random clips, and rows as lists of numbers. */
final class Rows {
  private Rows() {}

  /** All rows below {@code count}. */
  static List<Integer> all(int count) {
    return IntStream.range(0, count).boxed().toList();
  }

  static List<Integer> of(Collection<Range> ranges) {
    return ranges.stream()
        .flatMap(range -> IntStream.range(range.start(), range.end()).boxed())
        .toList();
  }

  static List<Integer> of(Sequences sequences, int index) {
    return IntStream.range(0, sequences.length()[index])
        .map(token -> sequences.firstRow()[index] + token * sequences.rowStride())
        .boxed()
        .toList();
  }

  /** Of all sequences, one behind the other. */
  static List<Integer> of(Sequences sequences) {
    List<Integer> rows = new ArrayList<>();
    for (int i = 0; i < sequences.count(); i++) {
      rows.addAll(of(sequences, i));
    }
    return rows;
  }

  /** A clip of any size for rank 0 of up to eight. */
  static Geometry geometry(Random random) {
    Patching patching =
        new Patching(
            1 + random.nextInt(9),
            1 + random.nextInt(7),
            1 + random.nextInt(7),
            1 + random.nextInt(2),
            1 + random.nextInt(2),
            1 + random.nextInt(2));
    int ranks = 1 + random.nextInt(8);
    boolean equal = random.nextBoolean();
    List<Integer> shares = random.ints(ranks, 1, 5).map(s -> equal ? 1 : s).boxed().toList();
    return new Geometry(1 + random.nextInt(4), patching, 8, 8, 1, 0, shares);
  }

  /** The same clip for another rank. */
  static Geometry at(Geometry geometry, int rank) {
    return new Geometry(
        geometry.branches(),
        geometry.patching(),
        geometry.pixelHeight(),
        geometry.pixelWidth(),
        geometry.pixelFrames(),
        rank,
        geometry.shares());
  }

  /** A text for every branch, of 1 to 12 tokens. */
  static Condition condition(Geometry geometry, Random random) {
    List<Branch> branches = new ArrayList<>();
    for (int i = 0; i < geometry.branches(); i++) {
      branches.add(
          new Branch(
              i,
              new TextRow.Null(1 + random.nextInt(12)),
              /* pooledText= */ null,
              /* classLabel= */ null,
              new Branch.Scalars(0, 0, 0, 0, 0, 0),
              0,
              0));
    }
    return new Condition(branches, /* frameMasks= */ false);
  }
}
