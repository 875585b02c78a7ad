package dev.longtake.worker.engine.loading;

import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * A tensor that the model doesn't use, and that does no harm.
 *
 * @param tensor as the file calls it
 * @param reason what it is
 */
public record LeftOver(String tensor, String reason) {
  private static final Map<Pattern, String> HARMLESS =
      Map.of(
          Pattern.compile("pos_embed(_spatial|_temporal|\\.pos_embed)?|temp_(pos_)?embed"),
          "a stored position table; positions are computed",
          Pattern.compile("rope\\.freqs"),
          "stored rotary frequencies",
          Pattern.compile("(csize|ar)_embedder\\..*|adaln_single\\.emb\\.(resolution|aspect_ratio)_embedder\\..*"),
          "embeds picture sizes, which this class isn't told",
          Pattern.compile("(y_embedder|caption_projection)\\.y_embedding"),
          "a learned null text, which this class doesn't read",
          Pattern.compile("(optimizer|opt|lr_scheduler|scheduler)\\..*"),
          "of the training");

  /** What an unused tensor is; absent when it is not known to be harmless. */
  static Optional<LeftOver> of(String tensor) {
    return HARMLESS.entrySet().stream()
        .filter(entry -> entry.getKey().matcher(tensor).matches())
        .map(entry -> new LeftOver(tensor, entry.getValue()))
        .findFirst();
  }
}
