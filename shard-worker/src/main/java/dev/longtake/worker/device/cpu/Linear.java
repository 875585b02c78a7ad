package dev.longtake.worker.device.cpu;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.RowVectors;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Matrix products by oneDNN in tiles of rows, one thread per tile; what follows a product is done while its tile is in the
 * cache. A last tile whose rows are no multiple of {@link #ROW_STEP} is completed with zero rows in scratch memory, so
 * oneDNN sees few different row counts, all with the same order of sums, and never a single row.
 *
 * <p>Called by one thread at a time.
 */
final class Linear implements AutoCloseable {
  /**
   * Rows of a tile at most. The weights pass by once for every tile: with 128 rows, 1152 channels and the processor's last cache shared
   * with others, oneDNN took a tenth less time than with 64. More rows gave little and take scratch memory on every thread.
   */
  private static final int TILE_ROWS = 128;

  private static final int ROW_STEP = 16;
  private static final String SCRATCH = "scratch";
  private static final String WEIGHTS = "weights";
  private static final long ALIGNMENT_BYTES = CpuMemory.ALIGNMENT_BYTES;

  /** Memory of one thread, grown when a layer is packed or a product is first run. */
  private static final class Scratch {
    @Nullable CpuBuffer input;
    @Nullable CpuBuffer product;
    @Nullable CpuBuffer scratchpad;
  }

  private record Layout(int inputColumns, int outputColumns, int type) {}

  private final CpuMemory memory;
  private final Workers workers;
  private final MemorySegment engine;
  private final List<MemorySegment> streams = new ArrayList<>();
  private final List<Scratch> scratch = new ArrayList<>();
  private final Map<Layout, WeightLayout> layouts = new HashMap<>();
  private final Map<Matmul.Shape, Matmul> products = new HashMap<>();

  Linear(CpuMemory memory, Workers workers) {
    this.memory = memory;
    this.workers = workers;
    Dnnl.singleThreaded();
    engine = Dnnl.engine();
    for (int thread = 0; thread < workers.count(); thread++) {
      streams.add(Dnnl.stream(engine));
      scratch.add(new Scratch());
    }
  }

  /**
   * @param weight [outputColumns, inputColumns], readable by any thread
   */
  CpuPackedLinear pack(
      MemorySegment weight,
      DType weightType,
      @Nullable MemorySegment bias,
      int outputColumns,
      int inputColumns,
      DType inputType) {
    Dnnl.singleThreaded();
    int type = inputType == DType.BF16 ? Dnnl.BF16 : Dnnl.F32;
    int productColumns = Math.max(outputColumns, CpuPackedLinear.LEAST_COLUMNS);
    WeightLayout layout = layout(inputColumns, productColumns, type);
    if (inputType == DType.BF16 && !layout.hasRowPairs()) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected oneDNN to keep bfloat16 weights in pairs, but not on this processor; run in"
              + " f32");
    }
    long weightBytes = Math.ceilDiv(layout.sizeBytes(), ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    for (Scratch own : scratch) {
      own.input = grown(own.input, (long) TILE_ROWS * inputColumns * inputType.sizeBytes());
      own.product = grown(own.product, (long) TILE_ROWS * productColumns * Float.BYTES);
    }
    // Zeroed, which is what the columns and the padding hold that nothing is copied to.
    CpuBuffer buffer =
        memory.allocate(weightBytes + (bias == null ? 0 : productColumns * 4L), WEIGHTS);
    try {
      new Packing(weight, weightType, buffer, inputType, layout, inputColumns, outputColumns)
          .run(workers);
      if (bias != null) {
        MemorySegment.copy(bias, 0, buffer.segment(), weightBytes, outputColumns * 4L);
      }
    } catch (RuntimeException e) {
      buffer.close();
      throw e;
    }
    return new CpuPackedLinear(
        buffer,
        inputColumns,
        outputColumns,
        productColumns,
        inputType,
        bias == null ? 0 : weightBytes);
  }

  private WeightLayout layout(int inputColumns, int outputColumns, int type) {
    return layouts.computeIfAbsent(
        new Layout(inputColumns, outputColumns, type),
        key ->
            WeightLayout.of(
                Matmul.favouriteWeights(engine, TILE_ROWS, inputColumns, outputColumns, type)));
  }

  private CpuBuffer grown(@Nullable CpuBuffer buffer, long sizeBytes) {
    if (buffer != null && buffer.sizeBytes() >= sizeBytes) {
      return buffer;
    }
    CpuBuffer larger = memory.allocate(sizeBytes, SCRATCH);
    if (buffer != null) {
      buffer.close();
    }
    return larger;
  }

  /** {@code out = activation(in * W^T + bias)}. */
  void linear(CpuPackedLinear layer, View in, View out, Activation activation) {
    boolean direct = !out.bfloat() && layer.productColumns() == layer.outputColumns();
    forTiles(
        layer,
        in,
        direct ? out : null,
        (product, from, to) -> {
          boolean inPlace = product.segment().equals(out.segment());
          if (!inPlace || activation != Activation.NONE) {
            for (int row = from; row < to; row++) {
              int at = inPlace ? row : row - from;
              Elementwise.activateRow(product, product.row(at), out, out.row(row), activation);
            }
          }
        });
  }

  /**
   * {@code residual += gate * (in * W^T + bias)}.
   *
   * @param gates the gate's table; null for a plain sum
   */
  void linearResidual(
      CpuPackedLinear layer,
      View in,
      View residual,
      @Nullable View gates,
      @Nullable RowVectors gate) {
    forTiles(
        layer,
        in,
        null,
        (product, from, to) -> {
          for (int row = from; row < to; row++) {
            long at = product.row(row - from);
            if (gates == null || gate == null) {
              Elementwise.addProduct(
                  product.segment(), at, residual, residual.row(row), MemorySegment.NULL, 0);
            } else {
              int vector = gate.vectorOfGroup()[row / gate.rowsPerGroup()];
              Elementwise.addProduct(
                  product.segment(),
                  at,
                  residual,
                  residual.row(row),
                  gates.segment(),
                  gates.row(vector));
            }
          }
        });
  }

  /** What follows the product of a tile. */
  @FunctionalInterface
  private interface TileBody {
    /**
     * Goes on with rows [from, to).
     *
     * @param product the tile's rows, starting at its row 0; or the output itself, where rows have their own places
     */
    void rows(View product, int from, int to);
  }

  /**
   * Multiplies tile by tile.
   *
   * @param out where whole tiles go directly; null for scratch
   */
  private void forTiles(CpuPackedLinear layer, View in, @Nullable View out, TileBody body) {
    Dnnl.singleThreaded();
    int rows = in.rows();
    int tileRows = tileRows(rows);
    int tailRows = rows % tileRows;
    Matmul whole = rows >= tileRows ? product(layer, tileRows, in, out) : null;
    Matmul tail = tailRows == 0 ? null : tailProduct(layer, tailRows, in, out);
    workers.run(
        Math.ceilDiv(rows, tileRows),
        (thread, tile) -> {
          Dnnl.singleThreaded();
          int from = tile * tileRows;
          int to = Math.min(rows, from + tileRows);
          if (to - from == tileRows && whole != null) {
            wholeTile(layer, whole, thread, in, out, from, to, body);
          } else if (tail != null) {
            tailTile(layer, tail, thread, in, out, from, to, body);
          }
        });
  }

  /** As large as they may be, but as many for each thread, so that none waits while another has a tile more. */
  private int tileRows(int rows) {
    int threads = workers.count();
    int tiles = Math.ceilDiv(Math.ceilDiv(rows, TILE_ROWS), threads) * threads;
    int share = Math.ceilDiv(Math.ceilDiv(rows, Math.max(1, tiles)), ROW_STEP) * ROW_STEP;
    return Math.clamp(share, ROW_STEP, TILE_ROWS);
  }

  private Matmul tailProduct(CpuPackedLinear layer, int rows, View in, @Nullable View out) {
    if (rows % ROW_STEP == 0) {
      return product(layer, rows, in, out);
    }
    int padded = Math.ceilDiv(rows, ROW_STEP) * ROW_STEP;
    return product(layer, padded, layer.inputColumns(), layer.productColumns());
  }

  private Matmul product(CpuPackedLinear layer, int rows, View in, @Nullable View out) {
    int outputStride =
        out == null ? layer.productColumns() : (int) (out.strideBytes() / out.elementBytes());
    return product(layer, rows, (int) (in.strideBytes() / in.elementBytes()), outputStride);
  }

  private Matmul product(CpuPackedLinear layer, int rows, int inputStride, int outputStride) {
    int k = layer.inputColumns();
    int n = layer.productColumns();
    int type = layer.inputType() == DType.BF16 ? Dnnl.BF16 : Dnnl.F32;
    Matmul product =
        products.computeIfAbsent(
            new Matmul.Shape(rows, k, n, type, inputStride, outputStride, layer.hasBias()),
            shape -> new Matmul(engine, streams, shape, layout(k, n, type).descriptor()));
    for (Scratch own : scratch) {
      own.scratchpad = grown(own.scratchpad, product.scratchpadBytes());
    }
    return product;
  }

  private void wholeTile(
      CpuPackedLinear layer,
      Matmul product,
      int thread,
      View in,
      @Nullable View out,
      int from,
      int to,
      TileBody body) {
    View target = out == null ? productView(layer, thread, to - from) : out;
    long dst = out == null ? target.address() : out.segment().address() + out.row(from);
    execute(layer, product, thread, in.segment().address() + in.row(from), dst);
    body.rows(target, from, to);
  }

  private void tailTile(
      CpuPackedLinear layer,
      Matmul product,
      int thread,
      View in,
      @Nullable View out,
      int from,
      int to,
      TileBody body) {
    if ((to - from) % ROW_STEP == 0) {
      wholeTile(layer, product, thread, in, out, from, to, body);
      return;
    }
    MemorySegment input = segment(scratch.get(thread).input);
    int padded = Math.ceilDiv(to - from, ROW_STEP) * ROW_STEP;
    long rowBytes = (long) layer.inputColumns() * in.elementBytes();
    for (int row = from; row < to; row++) {
      MemorySegment.copy(in.segment(), in.row(row), input, (row - from) * rowBytes, rowBytes);
    }
    input.asSlice((to - from) * rowBytes, (padded - (to - from)) * rowBytes).fill((byte) 0);
    View target = productView(layer, thread, padded);
    execute(layer, product, thread, input.address(), target.address());
    if (out != null) {
      long outBytes = (long) layer.outputColumns() * Float.BYTES;
      for (int row = from; row < to; row++) {
        MemorySegment.copy(
            target.segment(), target.row(row - from), out.segment(), out.row(row), outBytes);
      }
      body.rows(out, from, to);
    } else {
      body.rows(target, from, to);
    }
  }

  private View productView(CpuPackedLinear layer, int thread, int rows) {
    long stride = layer.productColumns() * 4L;
    MemorySegment segment = segment(scratch.get(thread).product);
    return new View(segment, 0, stride, rows, layer.outputColumns(), /* bfloat= */ false);
  }

  private void execute(CpuPackedLinear layer, Matmul product, int thread, long src, long dst) {
    long weights = layer.buffer().segment().address();
    long scratchpad = segment(scratch.get(thread).scratchpad).address();
    product.execute(thread, src, weights, weights + layer.biasBytes(), dst, scratchpad);
  }

  private static MemorySegment segment(@Nullable CpuBuffer buffer) {
    if (buffer == null) {
      throw new IllegalStateException("Expected scratch memory, but no layer was packed");
    }
    return buffer.segment();
  }

  @Override
  public void close() {
    products.values().forEach(Matmul::close);
    layouts.values().forEach(WeightLayout::close);
    streams.forEach(Dnnl::destroyStream);
    Dnnl.destroyEngine(engine);
    for (Scratch own : scratch) {
      for (CpuBuffer buffer : new CpuBuffer[] {own.input, own.product, own.scratchpad}) {
        if (buffer != null) {
          buffer.close();
        }
      }
    }
  }
}
