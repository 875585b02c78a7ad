package dev.longtake.common.model;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import java.io.IOException;
import java.io.StringReader;
import java.math.BigDecimal;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A JSON object of a model's file, read by typed keys. Every complaint names the file, the key's whole path, what was
 * expected and what is there. A key whose value is {@code null} counts as absent, as in Hugging Face's files.
 *
 * @param prefix the path of this object in the file, empty or ending with a dot
 */
record JsonFields(Path file, String prefix, JsonObject object) {
  /** Configurations are small; a larger file is something else. */
  private static final long MAX_FILE_BYTES = 16L << 20;

  static JsonFields read(Path file) {
    requireFile(file);
    try {
      long sizeBytes = Files.size(file);
      if (sizeBytes > MAX_FILE_BYTES) {
        throw invalid(
            "Expected a JSON file of at most %d bytes at %s, but it has %d; check the path"
                .formatted(MAX_FILE_BYTES, file, sizeBytes),
            null);
      }
      return new JsonFields(file, "", parse(file, Files.readString(file)));
    } catch (CharacterCodingException e) {
      throw invalid("Expected UTF-8 in " + file + ", but it has other bytes; correct the file", e);
    } catch (IOException e) {
      throw invalid("Expected to read " + file + ", but the system says: " + e.getMessage(), e);
    }
  }

  private static JsonObject parse(Path file, String text) {
    try (JsonReader reader = new JsonReader(new StringReader(text))) {
      reader.setStrictness(Strictness.STRICT);
      JsonElement root = JsonParser.parseReader(reader);
      if (!root.isJsonObject() || reader.peek() != JsonToken.END_DOCUMENT) {
        throw invalid(
            "Expected one JSON object in "
                + file
                + ", but it holds something else; correct the file",
            null);
      }
      return root.getAsJsonObject();
    } catch (JsonParseException | IOException e) {
      String reason = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
      throw invalid(
          "Expected JSON in %s, but %s; correct the file".formatted(file, Quoted.line(reason)), e);
    }
  }

  /** Complains when the file does not exist. */
  static Path requireFile(Path file) {
    if (!Files.isRegularFile(file)) {
      throw invalid(
          "Expected a file at %s, but there is %s; complete the model folder"
              .formatted(file, Files.isDirectory(file) ? "a folder" : "none"),
          null);
    }
    return file;
  }

  static LongtakeException invalid(String message, @Nullable Throwable e) {
    return new LongtakeException(ErrorCode.INVALID_MODEL, message, e);
  }

  boolean has(String key) {
    return get(key).isPresent();
  }

  String requireString(String key) {
    return string(key).orElseThrow(() -> missing(key, "a string"));
  }

  Optional<String> string(String key) {
    return get(key)
        .map(
            v -> primitive(v, JsonPrimitive::isString).orElseThrow(() -> wrong(key, "a string", v)))
        .map(JsonPrimitive::getAsString);
  }

  int requireInt(String key) {
    return integer(key).orElseThrow(() -> missing(key, "an integer"));
  }

  boolean isInteger(String key) {
    return get(key).flatMap(JsonFields::toInt).isPresent();
  }

  Optional<Integer> integer(String key) {
    return get(key).map(v -> toInt(v).orElseThrow(() -> wrong(key, "an integer of 32 bits", v)));
  }

  /** An integer of at least {@code min}. */
  int requireIntFrom(int min, String key) {
    return intFrom(min, key).orElseThrow(() -> missing(key, atLeast(min)));
  }

  Optional<Integer> intFrom(int min, String key) {
    Optional<Integer> found = integer(key);
    found
        .filter(value -> value < min)
        .ifPresent(value -> {
          throw wrong(key, atLeast(min), new JsonPrimitive(value));
        });
    return found;
  }

  private static String atLeast(int min) {
    return "an integer of at least " + min;
  }

  double requireDouble(String key) {
    return number(key).orElseThrow(() -> missing(key, "a number"));
  }

  Optional<Double> number(String key) {
    return get(key).map(v -> toDouble(v).orElseThrow(() -> wrong(key, "a finite number", v)));
  }

  boolean requireBoolean(String key) {
    return bool(key).orElseThrow(() -> missing(key, "true or false"));
  }

  Optional<Boolean> bool(String key) {
    return get(key)
        .map(v ->
            primitive(v, JsonPrimitive::isBoolean)
                .orElseThrow(() -> wrong(key, "true or false", v)))
        .map(JsonPrimitive::getAsBoolean);
  }

  JsonFields requireObject(String key) {
    return object(key).orElseThrow(() -> missing(key, "an object"));
  }

  Optional<JsonFields> object(String key) {
    return get(key)
        .map(v -> {
          if (!v.isJsonObject()) {
            throw wrong(key, "an object", v);
          }
          return new JsonFields(file, prefix + key + ".", v.getAsJsonObject());
        });
  }

  List<Integer> requireInts(String key) {
    return list(key, "a list of integers", JsonFields::toInt)
        .orElseThrow(() -> missing(key, "a list of integers"));
  }

  List<Double> requireDoubles(String key) {
    return list(key, "a list of finite numbers", JsonFields::toDouble)
        .orElseThrow(() -> missing(key, "a list of finite numbers"));
  }

  Optional<List<String>> strings(String key) {
    return list(
        key,
        "a list of strings",
        v -> primitive(v, JsonPrimitive::isString).map(JsonPrimitive::getAsString));
  }

  /** A value that has the right type, but not the right meaning. */
  LongtakeException wrong(String key, String expected, String found) {
    return invalid(
        "Expected %s as %s in %s, but found %s; correct the file"
            .formatted(expected, Quoted.of(prefix + key), file, Quoted.line(found)),
        null);
  }

  private LongtakeException wrong(String key, String expected, JsonElement found) {
    return wrong(key, expected, found.toString());
  }

  LongtakeException missing(String key, String expected) {
    return invalid(
        "Expected %s as %s in %s, but the key is missing; add it"
            .formatted(expected, Quoted.of(prefix + key), file),
        null);
  }

  private Optional<JsonElement> get(String key) {
    return Optional.ofNullable(object.get(key)).filter(v -> !v.isJsonNull());
  }

  private <T> Optional<List<T>> list(
      String key, String expected, Function<JsonElement, Optional<T>> element) {
    return get(key)
        .map(v -> {
          if (!v.isJsonArray()) {
            throw wrong(key, expected, v);
          }
          List<T> values = new ArrayList<>();
          for (JsonElement e : v.getAsJsonArray()) {
            values.add(element.apply(e).orElseThrow(() -> wrong(key, expected, v)));
          }
          return List.copyOf(values);
        });
  }

  private static Optional<JsonPrimitive> primitive(
      JsonElement value, Function<JsonPrimitive, Boolean> type) {
    return value.isJsonPrimitive() && type.apply(value.getAsJsonPrimitive())
        ? Optional.of(value.getAsJsonPrimitive())
        : Optional.empty();
  }

  private static Optional<Integer> toInt(JsonElement value) {
    return primitive(value, JsonPrimitive::isNumber)
        .flatMap(number -> {
          try {
            // Not getAsInt, which drops fractions.
            return Optional.of(new BigDecimal(number.getAsString()).intValueExact());
          } catch (ArithmeticException | NumberFormatException e) {
            return Optional.empty();
          }
        });
  }

  private static Optional<Double> toDouble(JsonElement value) {
    return primitive(value, JsonPrimitive::isNumber)
        .map(JsonPrimitive::getAsDouble)
        .filter(Double::isFinite);
  }
}
