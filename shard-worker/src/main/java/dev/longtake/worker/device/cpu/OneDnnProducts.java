package dev.longtake.worker.device.cpu;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Matrix products by oneDNN in tiles of rows, one thread per tile. A last tile whose rows are no multiple of {@link #ROW_STEP} is
 * completed with zero rows in scratch memory, so oneDNN sees few different row counts, all with the same order of sums, and never a
 * single row.
 */
final class OneDnnProducts implements Products {
  /**
   * Rows of a tile at most. The weights pass by once for every tile: with 128 rows, 1152 channels and the processor's last cache shared
   * with others, oneDNN took a tenth less time than with 64. More rows gave little and take scratch memory on every thread.
   */
  private static final int TILE_ROWS = 128;

  private static final int ROW_STEP = 16;

  /** A single column takes a path through oneDNN on which the sum's order depends on the row. */
  private static final int LEAST_COLUMNS = 2;

  private static final long ALIGNMENT_BYTES = CpuMemory.ALIGNMENT_BYTES;

  /** Memory of one thread, grown when a layer is packed or a product is first run. */
  private record Scratch(GrowingBuffer input, GrowingBuffer product, GrowingBuffer scratchpad) {}

  private record LayoutKey(int inputColumns, int outputColumns, int type) {}

  /** A layout of weights with oneDNN's description of it. */
  private record Layout(MemorySegment descriptor, WeightLayout places) {}

  private final CpuMemory memory;
  private final Workers workers;
  private final MemorySegment engine;
  private final List<MemorySegment> streams = new ArrayList<>();
  private final List<Scratch> scratch = new ArrayList<>();
  private final Map<LayoutKey, Layout> layouts = new ConcurrentHashMap<>();
  private final Map<Matmul.Shape, Matmul> products = new ConcurrentHashMap<>();

  OneDnnProducts(CpuMemory memory, Workers workers) {
    this.memory = memory;
    this.workers = workers;
    Dnnl.singleThreaded();
    engine = Dnnl.engine();
    for (int thread = 0; thread < workers.count(); thread++) {
      streams.add(Dnnl.stream(engine));
      scratch.add(
          new Scratch(
              new GrowingBuffer(memory), new GrowingBuffer(memory), new GrowingBuffer(memory)));
    }
  }

  @Override
  public String name() {
    return "oneDNN";
  }

  @Override
  public boolean supports(DType inputType) {
    return inputType == DType.F32 || (inputType == DType.BF16 && Dnnl.hasBfloat16());
  }

  @Override
  public CpuPackedLinear pack(
      MemorySegment weight,
      DType weightType,
      @Nullable MemorySegment bias,
      int outputColumns,
      int inputColumns,
      DType inputType) {
    Dnnl.singleThreaded();
    int type = inputType == DType.BF16 ? Dnnl.BF16 : Dnnl.F32;
    int productColumns = Math.max(outputColumns, LEAST_COLUMNS);
    WeightLayout layout = layout(inputColumns, productColumns, type).places();
    if (inputType == DType.BF16 && !layout.hasRowPairs()) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected oneDNN to keep bfloat16 weights in pairs, but not on this processor; run in"
              + " f32");
    }
    long weightBytes = Math.ceilDiv(layout.sizeBytes(), ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    for (Scratch own : scratch) {
      own.input().grow((long) TILE_ROWS * inputColumns * inputType.sizeBytes());
      own.product().grow((long) TILE_ROWS * productColumns * Float.BYTES);
    }
    // Zeroed, which is what the columns and the padding hold that nothing is copied to.
    CpuBuffer buffer =
        memory.allocate(
            weightBytes + (bias == null ? 0 : productColumns * 4L), CpuPackedLinear.TAG);
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

  private Layout layout(int inputColumns, int outputColumns, int type) {
    return layouts.computeIfAbsent(
        new LayoutKey(inputColumns, outputColumns, type),
        key -> {
          MemorySegment weights =
              Matmul.favouriteWeights(engine, TILE_ROWS, inputColumns, outputColumns, type);
          return new Layout(weights, WeightLayout.of(weights));
        });
  }

  @Override
  public void multiply(
      Threads threads, CpuPackedLinear layer, View in, @Nullable View out, BlockBody body) {
    Dnnl.singleThreaded();
    int rows = in.rows();
    int tileRows = tileRows(threads, rows);
    int tailRows = rows % tileRows;
    Matmul whole = rows >= tileRows ? product(layer, tileRows, in, out) : null;
    Matmul tail = tailRows == 0 ? null : tailProduct(layer, tailRows, in, out);
    threads.run(
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
  private static int tileRows(Threads of, int rows) {
    int threads = of.count();
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
    return products.computeIfAbsent(
        new Matmul.Shape(rows, k, n, type, inputStride, outputStride, layer.hasBias()),
        shape -> new Matmul(engine, streams, shape, layout(k, n, type).descriptor()));
  }

  private void wholeTile(
      CpuPackedLinear layer,
      Matmul product,
      int thread,
      View in,
      @Nullable View out,
      int from,
      int to,
      BlockBody body) {
    View target =
        out == null
            ? productView(layer, thread, to - from)
            : out.block(from, 0, to - from, out.columns());
    long src = in.segment().address() + in.row(from);
    long dst = target.segment().address() + target.row(0);
    execute(layer, product, thread, src, dst);
    body.block(target, from, 0);
  }

  private void tailTile(
      CpuPackedLinear layer,
      Matmul product,
      int thread,
      View in,
      @Nullable View out,
      int from,
      int to,
      BlockBody body) {
    if ((to - from) % ROW_STEP == 0) {
      wholeTile(layer, product, thread, in, out, from, to, body);
      return;
    }
    MemorySegment input = scratch.get(thread).input().segment();
    int padded = Math.ceilDiv(to - from, ROW_STEP) * ROW_STEP;
    long rowBytes = (long) layer.inputColumns() * in.elementBytes();
    for (int row = from; row < to; row++) {
      MemorySegment.copy(in.segment(), in.row(row), input, (row - from) * rowBytes, rowBytes);
    }
    input.asSlice((to - from) * rowBytes, (padded - (to - from)) * rowBytes).fill((byte) 0);
    View target = productView(layer, thread, padded);
    execute(layer, product, thread, input.address(), target.address());
    if (out == null) {
      body.block(target.block(0, 0, to - from, target.columns()), from, 0);
      return;
    }
    View rows = out.block(from, 0, to - from, out.columns());
    Elementwise.copyRows(target, rows, 0, to - from);
    body.block(rows, from, 0);
  }

  private View productView(CpuPackedLinear layer, int thread, int rows) {
    long stride = layer.productColumns() * 4L;
    MemorySegment segment = scratch.get(thread).product().segment();
    return new View(segment, 0, stride, rows, layer.outputColumns(), /* bfloat= */ false);
  }

  private void execute(CpuPackedLinear layer, Matmul product, int thread, long src, long dst) {
    long weights = layer.buffer().segment().address();
    GrowingBuffer scratchpad = scratch.get(thread).scratchpad();
    scratchpad.grow(product.scratchpadBytes());
    product.execute(thread, src, weights, weights + layer.biasBytes(), dst, scratchpad.address());
  }

  @Override
  public void close() {
    products.values().forEach(Matmul::close);
    layouts.values().forEach(layout -> Dnnl.destroyDescriptor(layout.descriptor()));
    streams.forEach(Dnnl::destroyStream);
    Dnnl.destroyEngine(engine);
    for (Scratch own : scratch) {
      own.input().close();
      own.product().close();
      own.scratchpad().close();
    }
  }
}
