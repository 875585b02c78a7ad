package dev.longtake.worker.engine.exec;

import java.util.List;

/**
 * What stays the same through a job.
 *
 * @param texts one per branch
 * @param frameRates one per branch
 * @param sampleOfBranch which sample's latents a branch sees; guidance makes two branches of each
 * @param frameMasks whether any step will treat frames as t = 0
 */
public record Condition(
    List<TextRow> texts, float[] frameRates, int[] sampleOfBranch, boolean frameMasks) {
  public Condition {
    texts = List.copyOf(texts);
  }

  int branches() {
    return texts.size();
  }

  /** Rows of every vector: one per branch, and where frames may be masked another for t = 0. */
  int vectorRows() {
    return frameMasks ? 2 * branches() : branches();
  }

  int textTokens() {
    return texts.stream().mapToInt(TextRow::tokens).sum();
  }
}
