package dev.longtake.worker.engine.model;

import java.util.List;

/**
 * Branches applied one after the other.
 *
 * @param name prefix of its weights, for example {@code "spatial_blocks.0"}
 */
public record Block(String name, List<Op> ops) {
  public Block {
    ops = List.copyOf(ops);
  }
}
