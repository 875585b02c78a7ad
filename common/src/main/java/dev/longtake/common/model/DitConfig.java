package dev.longtake.common.model;

import com.google.gson.JsonObject;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The configuration of a diffusion transformer, under the model's own keys: what a key means is known to the architecture
 * that reads it. Typed access that complains with INVALID_MODEL, naming file and key. A key that is {@code null} counts
 * as absent.
 */
public final class DitConfig {
  private final JsonFields fields;
  private final String architecture;

  private DitConfig(JsonFields fields) {
    this(fields, architecture(fields));
  }

  private DitConfig(JsonFields fields, String architecture) {
    this.fields = fields;
    this.architecture = architecture;
  }

  /**
   * Reads a {@code config.json}.
   *
   * @throws dev.longtake.common.error.LongtakeException INVALID_MODEL when the file is missing, is no JSON object, or
   *     names no architecture
   */
  public static DitConfig read(Path file) {
    return new DitConfig(JsonFields.read(file));
  }

  /**
   * A configuration that is part of a file, or derived from one.
   *
   * @param file what error messages call it
   */
  public static DitConfig of(Path file, JsonObject json) {
    return of(new JsonFields(file, "", json.deepCopy()));
  }

  static DitConfig of(JsonFields fields) {
    return new DitConfig(fields);
  }

  private static String architecture(JsonFields fields) {
    return fields
        .string("model_type")
        .or(() -> fields.strings("architectures").flatMap(list -> list.stream().findFirst()))
        .or(() -> fields.object("source").flatMap(source -> source.string("class")))
        .orElseThrow(() ->
            fields.missing(
                "model_type",
                "the architecture's name (or as first of \"architectures\", or as"
                    + " \"source.class\")"));
  }

  /** The class name of the original, for example {@code STDiT3}. */
  public String architecture() {
    return architecture;
  }

  /** Where it was read from. */
  public Path file() {
    return fields.file();
  }

  /** A copy of the whole object. */
  public JsonObject json() {
    return fields.object().deepCopy();
  }

  public boolean has(String key) {
    return fields.has(key);
  }

  public int requireInt(String key) {
    return fields.requireInt(key);
  }

  public int intOr(String key, int fallback) {
    return fields.integer(key).orElse(fallback);
  }

  public double requireDouble(String key) {
    return fields.requireDouble(key);
  }

  public double doubleOr(String key, double fallback) {
    return fields.number(key).orElse(fallback);
  }

  public boolean booleanOr(String key, boolean fallback) {
    return fields.bool(key).orElse(fallback);
  }

  public Optional<String> string(String key) {
    return fields.string(key);
  }

  /** The object under a key, for the same architecture. */
  public DitConfig section(String key) {
    return new DitConfig(fields.requireObject(key), architecture);
  }

  public List<Integer> requireIntList(String key) {
    return fields.requireInts(key);
  }
}
