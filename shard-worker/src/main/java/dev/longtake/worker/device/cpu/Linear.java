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
          if (gates == null || gate == null) {
            View target = residual.block(row, column, product.rows(), product.columns());
            Elementwise.addProducts(product, target, MemorySegment.NULL, 0);
          } else {
            addGated(product, residual, row, column, gates, gate);
          }
        });
  }

  /** A block of a product, whose rows are in groups with a gate each. */
  private static void addGated(
      View product, View residual, int row, int column, View gates, RowVectors gate) {
    int end;
    for (int r = 0; r < product.rows(); r = end) {
      int group = (row + r) / gate.rowsPerGroup();
      end = Math.min(product.rows(), (group + 1) * gate.rowsPerGroup() - row);
      Elementwise.addProducts(
          product.block(r, 0, end - r, product.columns()),
          residual.block(row + r, column, end - r, product.columns()),
          gates.segment(),
          gates.at(gate.vectorOfGroup()[group], column));
    }
  }
}
