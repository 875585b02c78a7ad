package dev.longtake.worker.engine.loading;

import dev.longtake.common.model.DitConfig;
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
          Pattern.compile(
              "(csize|ar)_embedder\\..*|adaln_single\\.emb\\.(resolution|aspect_ratio)_embedder\\..*"),
          "embeds picture sizes, which this class isn't told",
          Pattern.compile("(y_embedder|caption_projection)\\.y_embedding"),
          "a learned null text, which this class doesn't read",
          Pattern.compile("(optimizer|opt|lr_scheduler|scheduler)\\..*"),
          "of the training");

  /** Layers that a configuration may leave out, by the key that it must say so with. */
  private static final Map<Pattern, String> OPTIONAL =
      Map.of(
          Pattern.compile("blocks\\.\\d+\\.attn\\.[qk]_norm\\..*"),
          "qk_norm",
          Pattern.compile("blocks\\.\\d+\\.attn\\.(sr|norm)\\..*"),
          "kv_compress_config");

  /** What an unused tensor is; absent when it is not known to be harmless. */
  static Optional<LeftOver> of(String tensor, DitConfig config) {
    String key = reason(OPTIONAL, tensor).orElse("");
    // Also when it is null, but not when nothing is said of it.
    if (config.json().has(key)) {
      return Optional.of(
          new LeftOver(
              tensor, "left out, as the config has %s %s".formatted(key, config.json().get(key))));
    }
    return reason(HARMLESS, tensor).map(reason -> new LeftOver(tensor, reason));
  }

  private static Optional<String> reason(Map<Pattern, String> patterns, String tensor) {
    return patterns.entrySet().stream()
        .filter(entry -> entry.getKey().matcher(tensor).matches())
        .map(Map.Entry::getValue)
        .findFirst();
  }
}
