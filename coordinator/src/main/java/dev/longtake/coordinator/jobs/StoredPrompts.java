package dev.longtake.coordinator.jobs;

import dev.longtake.v1.StoredPrompt;
import dev.longtake.v1.StoredText;

/** Encoded prompts as they are stored. */
final class StoredPrompts {
  private StoredPrompts() {}

  static StoredPrompt toProto(EncodedPrompt prompt) {
    StoredPrompt.Builder stored = StoredPrompt.newBuilder().setPrompt(text(prompt.prompt()));
    prompt.nullText().ifPresent(nullText -> stored.setNullText(text(nullText)));
    prompt.segmentPrompts().forEach(text -> stored.addSegmentPrompts(text(text)));
    return stored.build();
  }

  private static StoredText text(EncodedPrompt.Text text) {
    return StoredText.newBuilder()
        .addAllTokenIds(text.tokenIds())
        .setEmbedding(text.embedding())
        .build();
  }
}
