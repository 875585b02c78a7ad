package dev.longtake.worker.engine.exec;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.engine.program.Program;

/**
 * Makes what the blocks read of a text, by the part of a program that depends on the text alone. It has no exchanges: every rank prepares
 * what its blocks read, whole, so a rank that finds a text prepared and one that does not behave the same towards their peers. A token's
 * values depend on that token alone.
 */
public interface TextPreparation {
  /** Whose text part this runs. */
  Program program();

  /** Type of what the blocks' products read. */
  DType blockType();

  /**
   * Computes.
   *
   * @return owned by the caller
   * @throws dev.longtake.common.error.LongtakeException OUT_OF_MEMORY
   */
  PreparedText prepare(TextRow text);

  /** Products that one text takes; a projection that leaves the text as it is counts too. */
  default int projections() {
    return program().text().size();
  }
}
