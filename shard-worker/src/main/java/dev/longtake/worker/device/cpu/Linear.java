package dev.longtake.worker.device.cpu;

import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.RowVectors;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Layers: a matrix product, and what follows it while its blocks are in a cache. */
final class Linear {
  private final Products products;
  private final Threads threads;

  /**
   * @param threads that compute
   */
  Linear(Products products, Threads threads) {
    this.products = products;
    this.threads = threads;
  }

  /** {@code out = activation(in * W^T + bias)}. */
  void linear(CpuPackedLinear layer, View in, View out, Activation activation) {
    boolean direct = !out.bfloat() && layer.productColumns() == layer.outputColumns();
    products.multiply(
        threads,
        layer,
        in,
        direct ? out : null,
        (product, row, column) -> {
          if (!direct || activation != Activation.NONE) {
            for (int r = 0; r < product.rows(); r++) {
              long to = out.at(row + r, column);
              Elementwise.activateRow(product, product.row(r), out, to, activation);
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
    products.multiply(
        threads,
        layer,
        in,
        null,
        (product, row, column) -> {
          for (int r = 0; r < product.rows(); r++) {
            long from = product.row(r);
            long to = residual.at(row + r, column);
            if (gates == null || gate == null) {
              Elementwise.addProduct(product, from, residual, to, MemorySegment.NULL, 0);
            } else {
              int vector = gate.vectorOfGroup()[(row + r) / gate.rowsPerGroup()];
              long gateAt = gates.at(vector, column);
              Elementwise.addProduct(product, from, residual, to, gates.segment(), gateAt);
            }
          }
        });
  }
}
