package dev.longtake.coordinator.jobs;

import dev.longtake.v1.Tensor;
import java.util.List;
import java.util.Optional;

/**
 * What a text encoder made of a prompt.
 *
 * @param nullText the same of the empty prompt, for models that have no null caption of their own
 * @param segmentPrompts the same of the prompts of later segments
 * @param encoderRuns how many of the texts were encoded for this prompt; the others had been before
 */
public record EncodedPrompt(
    Text prompt, Optional<Text> nullText, List<Text> segmentPrompts, int encoderRuns) {
  public EncodedPrompt {
    segmentPrompts = List.copyOf(segmentPrompts);
  }

  /**
   * One text.
   *
   * @param tokenIds real tokens only
   * @param embedding [tokens, text channels], float32
   */
  public record Text(List<Integer> tokenIds, Tensor embedding) {
    public Text {
      tokenIds = List.copyOf(tokenIds);
    }

    int tokens() {
      return embedding.getShapeCount() == 0 ? 0 : Math.toIntExact(embedding.getShape(0));
    }
  }

  /** Texts whose embeddings were there. */
  int reused() {
    return 1 + (nullText.isPresent() ? 1 : 0) + segmentPrompts.size() - encoderRuns;
  }
}
