package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.program.Split;
import dev.longtake.worker.engine.wire.Wire;

/**
 * The dynamic switch of sequence parallelism: an all-to-all that turns rows {@code [branch, my frames, patch]} into rows {@code
 * [branch, frame, my patches]}, or back. Rank r gives rank q the tokens of r's frames and q's patches; both sides order them
 * branch, frame, patch, so a payload is dense and each side copies it in one strided piece. Text tokens stay where they are.
 */
final class SplitSwitch {
  private final Device device;
  private final Geometry geometry;
  private final Exchange exchange;
  private final Wire wire;
  private final Staging staging;

  SplitSwitch(Device device, Geometry geometry, Exchange exchange, Wire wire, Staging staging) {
    this.device = device;
    this.geometry = geometry;
    this.exchange = exchange;
    this.wire = wire;
    this.staging = staging;
  }

  /**
   * What passes through the staging memory.
   *
   * @param maxColumns of any value that will be switched
   */
  static Staging.Size stage(Geometry geometry, int maxColumns) {
    long frames = geometry.patches(Split.FRAME).patchRows();
    long patches = geometry.patches(Split.PATCH).patchRows();
    long bytes = Math.max(frames, patches) * maxColumns * Float.BYTES;
    return new Staging.Size(bytes, bytes);
  }

  /** Both matrices dense and of one type, with the same columns; their rows are the patches of the splits' layouts. */
  void run(Matrix source, Split from, Matrix target, Split to, String what) {
    int columns = source.columns();
    try (var rows = new RowExchange(device, exchange, wire, staging, source.dtype())) {
      for (int peer : exchange.others()) {
        rows.send(peer, rows(from == Split.FRAME ? mine(peer) : theirs(peer)), columns);
        rows.receive(peer, rows(from == Split.FRAME ? theirs(peer) : mine(peer)), columns);
      }
      rows.begin(what);
      for (int peer : exchange.others()) {
        Block sent = from == Split.FRAME ? mine(peer) : theirs(peer);
        if (rows(sent) > 0) {
          rows.pack(peer, view(source, from, sent));
        }
      }
      copyOwn(source, from, target, to);
      rows.await();
      for (int peer : exchange.others()) {
        Block received = from == Split.FRAME ? theirs(peer) : mine(peer);
        if (rows(received) > 0) {
          device.upload(rows.unpack(peer), view(target, to, received));
        }
      }
    }
  }

  /** Tokens of some frames and some patches, in all branches. */
  private record Block(Range frames, Range patches) {}

  private Block mine(int peer) {
    return new Block(geometry.frameRange(geometry.rank()), geometry.patchRange(peer));
  }

  private Block theirs(int peer) {
    return new Block(geometry.frameRange(peer), geometry.patchRange(geometry.rank()));
  }

  private long rows(Block block) {
    return (long) geometry.branches() * block.frames().size() * block.patches().size();
  }

  /** The block's place in a matrix of the given split, so shaped that its rows are as long as possible. */
  private Matrix view(Matrix matrix, Split split, Block block) {
    TokenLayout layout = geometry.patches(split);
    int columns = matrix.columns();
    int frameStride = layout.patches().size() * columns;
    return switch (split) {
      case FRAME ->
          new Matrix(
              matrix.buffer(),
              matrix.offset() + (long) block.patches().start() * columns,
              geometry.branches() * block.frames().size(),
              block.patches().size() * columns,
              frameStride,
              matrix.dtype());
      case PATCH ->
          new Matrix(
              matrix.buffer(),
              matrix.offset() + (long) block.frames().start() * frameStride,
              geometry.branches(),
              block.frames().size() * block.patches().size() * columns,
              layout.frames().size() * frameStride,
              matrix.dtype());
    };
  }

  /** What stays on this rank: its own frames and patches, a frame at a time because the strides differ. */
  private void copyOwn(Matrix source, Split from, Matrix target, Split to) {
    Range frames = geometry.frameRange(geometry.rank());
    Range patches = geometry.patchRange(geometry.rank());
    if (frames.isEmpty() || patches.isEmpty()) {
      return;
    }
    for (int branch = 0; branch < geometry.branches(); branch++) {
      device.copy(ownFrames(source, from, branch), ownFrames(target, to, branch));
    }
  }

  private Matrix ownFrames(Matrix matrix, Split split, int branch) {
    TokenLayout layout = geometry.patches(split);
    Range frames = geometry.frameRange(geometry.rank());
    Range patches = geometry.patchRange(geometry.rank());
    int columns = matrix.columns();
    int frameStride = layout.patches().size() * columns;
    long firstFrame =
        (long) branch * layout.frames().size() + frames.start() - layout.frames().start();
    int firstPatch = patches.start() - layout.patches().start();
    return new Matrix(
        matrix.buffer(),
        matrix.offset() + firstFrame * frameStride + (long) firstPatch * columns,
        frames.size(),
        patches.size() * columns,
        frameStride,
        matrix.dtype());
  }
}
