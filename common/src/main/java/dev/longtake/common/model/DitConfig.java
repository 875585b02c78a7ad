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
    return of(JsonFields.read(file));
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
    return new DitConfig(fields, architecture(fields));
  }

  /**
   * Stands for the configuration that weights come without.
   *
   * @param weights what error messages name instead
   */
  static DitConfig absent(Path weights) {
    return new DitConfig(new JsonFields(weights, "", new JsonObject()), "");
  }

  private static String architecture(JsonFields fields) {
    return fields
        .string("model_type")
        .or(() -> fields.strings("architectures").flatMap(list -> list.stream().findFirst()))
        .or(() -> fields.object("source").flatMap(source -> source.string("class")))
        .or(() -> fields.string(ModelFolder.DIFFUSERS_CLASS))
        .filter(name -> !name.isEmpty())
        .orElseThrow(() ->
            fields.missing(
                "model_type",
                "the architecture's name (or as first of \"architectures\", as"
                    + " \"source.class\" or as \"_class_name\")"));
  }

  /** Whether there is none: which model the weights belong to must then show in their names and shapes. */
  public boolean isAbsent() {
    return architecture.isEmpty();
  }

  /** The class name of the original, for example {@code STDiT3}; empty when there is no configuration. */
  public String architecture() {
    return architecture;
  }

  /** Where it was read from; the weights when there is no configuration. */
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

  /** Whether the key holds one whole number. */
  public boolean isInt(String key) {
    return fields.isInteger(key);
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
