package dev.longtake.worker.device.cpu;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.cpu.x86.PanelKernels;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Matrix products with {@link PanelKernels}, in the order of loops of Goto and van de Geijn (2008). A thread takes a tile of rows and
 * packs it; then it goes through the columns in blocks, through the inner dimension in slices, and through the block's panels: a panel
 * of weights stays in the first-level cache while the slice of all rows, in the second-level cache, passes by.
 *
 * <p>Where there are few rows, threads divide the columns instead, so that each weight is read by one of them only.
 *
 * <p>Weights are kept in panels of sixteen columns, bfloat16 as bfloat16: a slice of a panel is widened before the rows pass by. Sums
 * are float32.
 */
final class PanelProducts implements Products {
  /** Rows of a tile at most: a multiple of the rows of a panel, and with a slice of the inner dimension about 220 KB. */
  static final int TILE_ROWS = 192;

  /** Columns of a block, whose results stay in a cache until what follows is done. */
  private static final int BLOCK_COLUMNS = 256;

  /** The inner dimension in slices: one of a panel takes 18 KB, half of a first-level cache. Even, for bfloat16's pairs. */
  private static final int SLICE = 288;

  /** Less than so many multiplications are not worth another thread. */
  private static final long TASK_MULTIPLICATIONS = 1 << 19;

  private static final int PANEL_ROWS = PanelKernels.ROWS;
  private static final int PANEL_COLUMNS = PanelKernels.VECTORS * PanelKernels.LANES;

  /** Rows of weights that {@link Packing} puts together. */
  private static final int LAYOUT_ROWS = 16;

  private static final int BLOCK_STRIDE_BYTES = BLOCK_COLUMNS * Float.BYTES;

  private final PanelKernels kernels;
  private final CpuMemory memory;
  private final Workers workers;
  private final List<Scratch> scratch = new ArrayList<>();

  /**
   * Memory of one thread.
   *
   * @param rows packed rows of a tile
   * @param product a block of the result
   * @param panel a slice of a panel of weights in float32
   */
  private record Scratch(GrowingBuffer rows, GrowingBuffer product, GrowingBuffer panel) {}

  PanelProducts(PanelKernels kernels, CpuMemory memory, Workers workers) {
    this.kernels = kernels;
    this.memory = memory;
    this.workers = workers;
    for (int thread = 0; thread < workers.count(); thread++) {
      scratch.add(
          new Scratch(
              new GrowingBuffer(memory), new GrowingBuffer(memory), new GrowingBuffer(memory)));
    }
  }

  @Override
  public String name() {
    return "own AVX2 kernels";
  }

  @Override
  public boolean supports(DType inputType) {
    return inputType == DType.F32 || inputType == DType.BF16;
  }

  @Override
  public CpuPackedLinear pack(
      MemorySegment weight,
      DType weightType,
      @Nullable MemorySegment bias,
      int outputColumns,
      int inputColumns,
      DType inputType) {
    int productColumns = Math.ceilDiv(outputColumns, PANEL_COLUMNS) * PANEL_COLUMNS;
    WeightLayout layout = layout(inputColumns, productColumns, inputType);
    long weightBytes = layout.sizeBytes();
    for (Scratch own : scratch) {
      own.rows().grow((long) TILE_ROWS * inputColumns * Float.BYTES);
      own.product().grow((long) TILE_ROWS * BLOCK_STRIDE_BYTES);
      own.panel().grow((long) SLICE * PANEL_COLUMNS * Float.BYTES);
    }
    // Zeroed, which is what the columns and the padding hold that nothing is copied to.
    CpuBuffer buffer =
        memory.allocate(weightBytes + (long) productColumns * Float.BYTES, CpuPackedLinear.TAG);
    try {
      new Packing(weight, weightType, buffer, inputType, layout, inputColumns, outputColumns)
          .run(workers);
      if (bias != null) {
        MemorySegment.copy(
            bias, 0, buffer.segment(), weightBytes, (long) outputColumns * Float.BYTES);
      }
    } catch (RuntimeException e) {
      buffer.close();
      throw e;
    }
    return new CpuPackedLinear(
        buffer, inputColumns, outputColumns, productColumns, inputType, weightBytes);
  }

  /** Panels of columns, row by row; with bfloat16, rows 2i and 2i + 1 side by side. */
  private static WeightLayout layout(int rows, int columns, DType type) {
    int group = Float.BYTES / type.sizeBytes();
    int[] rowPlaces = new int[LAYOUT_ROWS];
    Arrays.setAll(rowPlaces, row -> row / group * group * PANEL_COLUMNS + row % group);
    int[] columnPlaces = new int[PANEL_COLUMNS];
    Arrays.setAll(columnPlaces, column -> column * group);
    return new WeightLayout(
        (long) keptRows(rows) * columns * type.sizeBytes(),
        LAYOUT_ROWS * PANEL_COLUMNS,
        (long) keptRows(rows) * PANEL_COLUMNS,
        rowPlaces,
        columnPlaces);
  }

  private static int keptRows(int rows) {
    return Math.ceilDiv(rows, LAYOUT_ROWS) * LAYOUT_ROWS;
  }

  @Override
  public void multiply(
      Threads threads, CpuPackedLinear layer, View in, @Nullable View out, BlockBody body) {
    int rows = in.rows();
    int columns = layer.productColumns();
    int tileRows = tileRows(threads, rows);
    int tiles = Math.ceilDiv(rows, tileRows);
    int partColumns =
        tiles > 1 ? columns : partColumns(threads, rows, columns, layer.inputColumns());
    int parts = Math.ceilDiv(columns, partColumns);
    threads.run(
        tiles * parts,
        (thread, task) -> {
          int row = task / parts * tileRows;
          int column = task % parts * partColumns;
          int height = Math.min(tileRows, rows - row);
          int width = Math.min(partColumns, columns - column);
          new Tile(layer, in.block(row, 0, height, in.columns()), scratch.get(thread))
              .run(out, body, row, column, width);
        });
  }

  /** As large as they may be, but as many for each thread, so that none waits while another has a tile more. */
  private static int tileRows(Threads threads, int rows) {
    if (rows <= TILE_ROWS) {
      return Math.max(1, rows);
    }
    int count = threads.count();
    int tiles = Math.ceilDiv(Math.ceilDiv(rows, TILE_ROWS), count) * count;
    return Math.ceilDiv(Math.ceilDiv(rows, tiles), PANEL_ROWS) * PANEL_ROWS;
  }

  private static int partColumns(Threads threads, int rows, int columns, int inner) {
    long worth = Math.max(1, (long) rows * columns * inner / TASK_MULTIPLICATIONS);
    int parts = (int) Math.min(worth, threads.count());
    return Math.ceilDiv(Math.ceilDiv(columns, parts), PANEL_COLUMNS) * PANEL_COLUMNS;
  }

  /** Some rows times the weights, by one thread. */
  private final class Tile {
    private final CpuPackedLinear layer;
    private final View in;
    private final Scratch own;
    private final int inner;

    /** Where rows are dense slice by slice. */
    private final long rows;

    Tile(CpuPackedLinear layer, View in, Scratch own) {
      this.layer = layer;
      this.in = in;
      this.own = own;
      this.inner = layer.inputColumns();
      boolean dense =
          !in.bfloat() && inner <= SLICE && in.strideBytes() == (long) inner * Float.BYTES;
      rows = dense ? in.address() : packedRows();
    }

    /** Computes {@code width} columns from {@code column} on, as rows from {@code row} on of the result. */
    void run(@Nullable View out, BlockBody body, int row, int column, int width) {
      for (int at = column; at < column + width; at += BLOCK_COLUMNS) {
        int columns = Math.min(BLOCK_COLUMNS, column + width - at);
        View target =
            out == null
                ? new View(
                    own.product().segment(),
                    0,
                    BLOCK_STRIDE_BYTES,
                    in.rows(),
                    Math.min(columns, layer.outputColumns() - at),
                    /* bfloat= */ false)
                : out.block(row, at, in.rows(), columns);
        multiply(at, columns, target);
        body.block(target, row, at);
      }
    }

    /**
     * Copies the rows slice by slice, dense in each, in float32: rows that are a power of two apart would push each other out of the
     * cache.
     */
    private long packedRows() {
      MemorySegment target = own.rows().segment();
      for (int k = 0; k < inner; k += SLICE) {
        int n = Math.min(SLICE, inner - k);
        View slice = new View(target, packedBytes(k), (long) n * Float.BYTES, in.rows(), n, false);
        View source = in.block(0, k, in.rows(), n);
        if (in.bfloat()) {
          for (int row = 0; row < in.rows(); row++) {
            Elementwise.activateRow(
                source, source.row(row), slice, slice.row(row), Activation.NONE);
          }
        } else {
          Elementwise.copyRows(source, slice, 0, in.rows());
        }
      }
      return target.address();
    }

    /** Where the slice that begins at {@code k} was packed. */
    private long packedBytes(int k) {
      return (long) in.rows() * k * Float.BYTES;
    }

    private void multiply(int column, int columns, View target) {
      for (int k = 0; k < inner; k += SLICE) {
        int n = Math.min(SLICE, inner - k);
        for (int c = 0; c < columns; c += PANEL_COLUMNS) {
          panel(k, n, column + c, target.address() + (long) c * Float.BYTES, target.strideBytes());
        }
      }
    }

    /** Adds a slice's part to sixteen columns of the result at address {@code c}. */
    private void panel(int k, int n, int column, long c, long strideBytes) {
      long weights = layer.buffer().segment().address();
      long b =
          weights
              + ((long) column * keptRows(inner) + (long) k * PANEL_COLUMNS)
                  * layer.inputType().sizeBytes();
      if (layer.inputType() == DType.BF16) {
        long widened = own.panel().address();
        kernels.widen(b, widened, Math.ceilDiv(n, 2));
        b = widened;
      }
      long bias = weights + layer.biasBytes() + (long) column * Float.BYTES;
      kernels.multiply(
          in.rows(),
          PanelKernels.VECTORS,
          rows + packedBytes(k),
          (long) n * Float.BYTES,
          b,
          c,
          strideBytes,
          n,
          k == 0 ? bias : c,
          k == 0 ? 0 : strideBytes);
    }
  }

  @Override
  public void close() {
    for (Scratch own : scratch) {
      own.rows().close();
      own.product().close();
      own.panel().close();
    }
  }
}
