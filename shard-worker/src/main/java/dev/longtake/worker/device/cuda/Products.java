package dev.longtake.worker.device.cuda;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.RowVectors;
import dev.longtake.worker.device.cuda.driver.CudaDriver;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Packing of weights, and products with them (matmul.cu). */
final class Products {
  /** Rows and columns of a block's results. */
  private static final int TILE = 64;

  /** Columns of the input that a block takes at a time, in either kernel. */
  private static final int STEP = 32;

  /** Weights in another type go through memory of this size. */
  private static final long STAGING_BYTES = 4 << 20;

  private final CudaMemory memory;
  private final CudaDriver driver;
  private final Launcher launcher;

  Products(CudaMemory memory, CudaDriver driver, Launcher launcher) {
    this.memory = memory;
    this.driver = driver;
    this.launcher = launcher;
  }

  CudaPackedLinear pack(
      MemorySegment weight,
      DType weightType,
      @Nullable MemorySegment bias,
      int outputColumns,
      int inputColumns,
      DType inputType) {
    int paddedColumns = Math.ceilDiv(inputColumns, STEP) * STEP;
    long paddedRows = Math.ceilDiv(outputColumns, TILE) * (long) TILE;
    long weightBytes = paddedRows * paddedColumns * inputType.sizeBytes();
    long biasBytes = bias == null ? 0 : (long) outputColumns * Float.BYTES;
    CudaBuffer buffer = memory.allocate(weightBytes + biasBytes, "weights");
    try {
      boolean bfloat = inputType == DType.BF16;
      var target =
          new CudaView(buffer.address(), paddedColumns, outputColumns, inputColumns, bfloat);
      if (weightType == inputType) {
        driver.upload(
            weight, target.address(), target.pitchBytes(), target.rowBytes(), outputColumns);
      } else {
        cast(weight, weightType, target);
      }
      if (bias != null) {
        driver.upload(bias, buffer.address() + weightBytes, biasBytes, biasBytes, 1);
      }
    } catch (Throwable e) {
      buffer.close();
      throw e;
    }
    return new CudaPackedLinear(
        buffer,
        inputColumns,
        outputColumns,
        paddedColumns,
        inputType,
        bias == null ? 0 : weightBytes);
  }

  /** Uploads some rows at a time and casts them into their place. */
  private void cast(MemorySegment weight, DType weightType, CudaView target) {
    int columns = target.columns();
    long rowBytes = (long) columns * weightType.sizeBytes();
    int most = Math.clamp(STAGING_BYTES / rowBytes, 1, target.rows());
    try (CudaBuffer staging = memory.allocate(most * rowBytes, "scratch")) {
      for (int from = 0; from < target.rows(); from += most) {
        int rows = Math.min(most, target.rows() - from);
        MemorySegment part = weight.asSlice(from * rowBytes, rows * rowBytes);
        driver.upload(part, staging.address(), rowBytes, rowBytes, rows);
        long to = target.address() + from * target.pitchBytes();
        launcher.activate(
            new CudaView(staging.address(), columns, rows, columns, weightType == DType.BF16),
            new CudaView(to, target.stride(), rows, columns, target.bfloat()),
            Activation.NONE);
      }
    }
  }

  void linear(CudaPackedLinear layer, CudaView in, CudaView out, Activation activation) {
    launch(layer, in, out, activation, /* residual= */ false, CudaView.NONE, 0, 1);
  }

  void linearResidual(
      CudaPackedLinear layer,
      CudaView in,
      CudaView residual,
      CudaView gates,
      @Nullable RowVectors groups) {
    if (groups == null) {
      launch(layer, in, residual, Activation.NONE, /* residual= */ true, gates, 0, 1);
    } else {
      long vectors = launcher.table(groups.vectorOfGroup());
      int rowsPerGroup = groups.rowsPerGroup();
      launch(
          layer, in, residual, Activation.NONE, /* residual= */ true, gates, vectors, rowsPerGroup);
    }
  }

  private void launch(
      CudaPackedLinear layer,
      CudaView in,
      CudaView out,
      Activation activation,
      boolean residual,
      CudaView gates,
      long vectorOfGroup,
      long rowsPerGroup) {
    long weight = layer.buffer().address();
    Arguments arguments =
        launcher.arguments().views(in).longs(weight).ints(layer.paddedColumns()).views(out);
    arguments
        .next()
        .putLong(layer.biasBytes() == 0 ? 0 : weight + layer.biasBytes())
        .putInt(Launcher.number(activation))
        .putInt(residual ? 1 : 0)
        .putView(gates)
        .putLong(vectorOfGroup)
        .putLong(rowsPerGroup);
    boolean bfloat = layer.inputType() == DType.BF16;
    launcher.launch(
        bfloat ? "linearBfloat" : "linearFloat",
        Math.ceilDiv(in.rows(), TILE),
        Math.ceilDiv(layer.outputColumns(), TILE),
        bfloat ? 128 : 256,
        arguments);
  }
}
