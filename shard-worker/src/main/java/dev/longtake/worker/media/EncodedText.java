package dev.longtake.worker.media;

/**
 * A prompt as the diffusion transformer takes it: real tokens only, no padding.
 *
 * @param tokenIds [tokens]
 * @param embedding the text encoder's output, {@code [tokens, channels]}, row-major
 */
public record EncodedText(int[] tokenIds, float[] embedding, int tokens, int channels) {
  public EncodedText {
    if (tokenIds.length != tokens || embedding.length != Math.multiplyExact(tokens, channels)) {
      throw new IllegalArgumentException(
          "Expected %d ids and %d x %d numbers, but got %d and %d"
              .formatted(tokens, tokens, channels, tokenIds.length, embedding.length));
    }
  }
}
