package dev.longtake.worker.engine.exec;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Kernels;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.program.Cut;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.trace.LaneTrace;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Runs regions piece by piece. A piece of patches in all frames, whose rows lie apart, is copied to memory of its strand and back. */
final class PieceRunner {
  private final Device device;
  private final Buffers buffers;
  private final TokenInstructions instructions;
  private final Taps taps;
  private final LaneTrace trace;

  PieceRunner(
      Device device, Buffers buffers, TokenInstructions instructions, Taps taps, LaneTrace trace) {
    this.device = device;
    this.buffers = buffers;
    this.instructions = instructions;
    this.taps = taps;
    this.trace = trace;
  }

  /**
   * Runs a region.
   *
   * @param whole all tokens
   */
  void run(Passage passage, Cutting cutting, Tokens whole) {
    List<TokenLayout> pieces = cutting.pieces();
    Tokens seen = passage.predicts() ? whole : whole.withoutPrediction();
    long[][] nanos = new long[cutting.strands()][passage.labels().size()];
    Device.Task task =
        (kernels, strand, i) -> {
          Piece piece = new Piece(seen, cutting.cut(), pieces.get(i), buffers.piece(strand));
          run(passage, piece, kernels, nanos[strand]);
        };
    trace.begin(passage.labels().getFirst());
    // A tap takes values from the device, and so of one piece at a time.
    if (cutting.strands() > 1 && !taps.wantAny(passage.region().instructions())) {
      device.parallel(pieces.size(), task);
    } else {
      for (int i = 0; i < pieces.size(); i++) {
        task.run(device, 0, i);
      }
    }
    trace.pause(passage.labels(), sum(nanos));
  }

  private void run(Passage passage, Piece piece, Kernels kernels, long[] nanos) {
    Tokens tokens = piece.begin(kernels);
    List<Instruction> all = passage.region().instructions();
    long since = trace.now();
    for (int i = 0; i < all.size(); i++) {
      instructions.execute(all.get(i), tokens);
      long now = trace.now();
      nanos[i] += now - since;
      since = now;
    }
    piece.end(tokens);
  }

  private static long[] sum(long[][] nanos) {
    long[] sum = new long[nanos[0].length];
    for (long[] ofStrand : nanos) {
      for (int i = 0; i < sum.length; i++) {
        sum[i] += ofStrand[i];
      }
    }
    return sum;
  }

  /** Some tokens, as rows in the matrices of all, or beside them. */
  private record Piece(Tokens whole, Cut cut, TokenLayout layout, Buffers.PieceMemory memory) {
    Tokens begin(Kernels kernels) {
      Matrix prediction = whole.prediction();
      if (cut == Cut.FRAMES) {
        Matrix predicted = prediction == null ? null : rows(prediction);
        return new Tokens(kernels, layout, rows(whole.residual()), predicted, memory.values());
      }
      Matrix residual =
          Matrix.dense(memory.residual(), layout.rows(), whole.residual().columns(), DType.F32);
      kernels.copy(apart(whole.residual()), together(residual));
      Matrix predicted =
          prediction == null
              ? null
              : Matrix.dense(memory.prediction(), layout.rows(), prediction.columns(), DType.F32);
      return new Tokens(kernels, layout, residual, predicted, memory.values());
    }

    /** Back to all tokens, what was not written in its place. */
    void end(Tokens tokens) {
      if (cut == Cut.PATCHES) {
        tokens.kernels().copy(together(tokens.residual()), apart(whole.residual()));
        copyBack(tokens, tokens.prediction(), whole.prediction());
      }
    }

    private void copyBack(Tokens tokens, @Nullable Matrix piece, @Nullable Matrix all) {
      if (piece != null && all != null) {
        tokens.kernels().copy(together(piece), apart(all));
      }
    }

    private Matrix rows(Matrix all) {
      int first = firstFrame() * whole.layout().patches().size();
      return all.rows(first, first + layout.rows());
    }

    /** Among the frames of all branches. */
    private int firstFrame() {
      int branch = layout.branches().start() - whole.layout().branches().start();
      int frame = layout.frames().start() - whole.layout().frames().start();
      return branch * whole.layout().frames().size() + frame;
    }

    /** A row for each frame. */
    private Matrix together(Matrix piece) {
      int columns = layout.patches().size() * piece.columns();
      return new Matrix(
          piece.buffer(), piece.offset(), layout.frames().size(), columns, columns, piece.dtype());
    }

    /** The same rows where all tokens are. */
    private Matrix apart(Matrix all) {
      int stride = whole.layout().patches().size() * all.columns();
      int firstPatch = layout.patches().start() - whole.layout().patches().start();
      return new Matrix(
          all.buffer(),
          all.offset() + (long) firstFrame() * stride + (long) firstPatch * all.columns(),
          layout.frames().size(),
          layout.patches().size() * all.columns(),
          stride,
          all.dtype());
    }
  }
}
