package dev.longtake.worker.engine.loading;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.DitConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** A configuration put together from what tensors tell, and the keys that they don't. */
final class DerivedConfig {
  /** Heads of the published models by their width: DiT S, B, L and XL, which PixArt and STDiT share, and the MMDiT. */
  private static final Map<Integer, Integer> PUBLISHED_HEADS =
      Map.of(384, 6, 768, 12, 1024, 16, 1152, 16, 3072, 24);

  private final Family family;
  private final JsonObject keys = new JsonObject();
  private final List<String> unknown = new ArrayList<>();

  DerivedConfig(Family family) {
    this.family = family;
  }

  DerivedConfig set(String key, JsonElement value) {
    keys.add(key, value);
    return this;
  }

  DerivedConfig set(String key, String value) {
    return set(key, new JsonPrimitive(value));
  }

  DerivedConfig set(String key, Number value) {
    return set(key, new JsonPrimitive(value));
  }

  DerivedConfig set(String key, boolean value) {
    return set(key, new JsonPrimitive(value));
  }

  /** A key that the tensors don't tell. */
  DerivedConfig unknown(String key) {
    unknown.add(key);
    return this;
  }

  /** The heads, from the width of one where a norm shows it, else as published models of this width have them. */
  void heads(String key, int channels, OptionalInt headWidth) {
    if (headWidth.isPresent() && channels % headWidth.getAsInt() == 0) {
      set(key, channels / headWidth.getAsInt());
      return;
    }
    Integer published = PUBLISHED_HEADS.get(channels);
    if (published == null) {
      unknown(key);
    } else {
      set(key, published);
    }
  }

  /** The width of a head, where the heads are known. */
  void headWidth(String key, int channels, String headsKey) {
    JsonElement heads = keys.get(headsKey);
    if (heads == null) {
      unknown(key);
    } else {
      set(key, channels / heads.getAsInt());
    }
  }

  /** The ratio whose product with the width is exactly the MLP's. */
  void mlpRatio(int hidden, int channels) {
    double ratio = (double) hidden / channels;
    set("mlp_ratio", (int) (channels * ratio) == hidden ? ratio : Math.nextUp(ratio));
  }

  /**
   * The configuration.
   *
   * @param weights what messages call it
   * @throws LongtakeException INVALID_MODEL when a key is unknown, saying which
   */
  DitConfig config(Path weights) {
    if (!unknown.isEmpty()) {
      throw new LongtakeException(
          ErrorCode.INVALID_MODEL,
          "Expected a config.json beside %s, because tensors of %s don't tell %s; write %s and add %s"
              .formatted(
                  weights,
                  family.title(),
                  String.join(", ", unknown),
                  keys,
                  unknown.size() == 1 ? "it" : "them"));
    }
    return DitConfig.of(weights, keys);
  }
}
