package dev.longtake.worker.engine.exec;

import org.jspecify.annotations.Nullable;

/**
 * One row of the batch: whose latents it sees, and what it is conditioned on. A model uses what its description names.
 *
 * @param sample whose latents; guidance makes several branches of a sample
 * @param pooledText [text channels], the whole text as one vector; null for the model's null text
 * @param classLabel null for the null class
 * @param paddedTokens text tokens that positions are counted with where patches follow the text in one sequence; at least
 *     those of the text
 * @param paddedSequence tokens that the sequence counts as for its position grid; at least those it has, or 0 for those
 */
public record Branch(
    int sample,
    TextRow text,
    float @Nullable [] pooledText,
    @Nullable Integer classLabel,
    Scalars scalars,
    int paddedTokens,
    int paddedSequence) {

  /**
   * Numbers that models are told.
   *
   * @param frameRate frames per second
   * @param height pixels
   * @param width pixels
   * @param aspectRatio height divided by width
   * @param frames of the video, not of the latents
   * @param guidance strength of distilled guidance
   */
  public record Scalars(
      float frameRate,
      float height,
      float width,
      float aspectRatio,
      float frames,
      float guidance) {}
}
