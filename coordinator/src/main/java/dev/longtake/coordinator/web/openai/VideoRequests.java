package dev.longtake.coordinator.web.openai;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.protobuf.ByteString;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.coordinator.web.http.ApiException;
import dev.longtake.coordinator.web.http.Exchange;
import dev.longtake.coordinator.web.json.ProtoJson;
import io.grpc.Status;
import java.io.IOException;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.MultiPart;
import org.eclipse.jetty.http.MultiPartConfig;
import org.eclipse.jetty.http.MultiPartFormData;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.util.Attributes;
import org.jspecify.annotations.Nullable;

/** Reads requests for videos, which come as JSON, or as a form with a file. */
final class VideoRequests {
  private static final String REFERENCE = "input_reference";
  private static final Set<String> TEXTS = Set.of("prompt", "model", "seconds", "size");
  private static final String FIELDS = "prompt, model, seconds, size and input_reference";
  private static final int MAX_PARTS = 16;

  /** What an image is inside of JSON. */
  private static final Pattern DATA_URL =
      Pattern.compile("data:[^,;]*;base64,(.*)", Pattern.DOTALL);

  private VideoRequests() {}

  /**
   * Reads the body.
   *
   * @throws LongtakeException INVALID_REQUEST, naming the field
   */
  static VideoRequest read(Exchange exchange) throws IOException {
    byte[] body = exchange.body();
    return switch (exchange.bodyType()) {
      case "application/json" -> ofJson(body);
      case "multipart/form-data" ->
          ofForm(body, exchange.header(HttpHeader.CONTENT_TYPE).orElse(""));
      default ->
          throw new ApiException(
              415,
              Status.Code.INVALID_ARGUMENT,
              "INVALID_REQUEST",
              "Expected a body with Content-Type: application/json or multipart/form-data, but got %s"
                  .formatted(Quoted.of(exchange.bodyType())));
    };
  }

  private static VideoRequest of(Map<String, String> texts, Optional<ByteString> reference) {
    return new VideoRequest(
        texts.getOrDefault("prompt", ""),
        texts.getOrDefault("model", ""),
        texts.getOrDefault("seconds", ""),
        texts.getOrDefault("size", ""),
        reference);
  }

  private static VideoRequest ofJson(byte[] body) {
    Map<String, String> texts = new HashMap<>();
    Optional<ByteString> reference = Optional.empty();
    for (Map.Entry<String, JsonElement> field : object(ProtoJson.text(body)).entrySet()) {
      String name = field.getKey();
      if (field.getValue().isJsonNull() && (TEXTS.contains(name) || name.equals(REFERENCE))) {
        continue;
      }
      if (name.equals(REFERENCE)) {
        reference = Optional.of(image(field.getValue()));
      } else if (!TEXTS.contains(name)) {
        throw unknown(name);
      } else if (field.getValue() instanceof JsonPrimitive value && !value.isBoolean()) {
        texts.put(name, value.getAsString());
      } else {
        throw LongtakeException.invalidField(
            name, "Expected %s to be text, but it is something else".formatted(name));
      }
    }
    return of(texts, reference);
  }

  private static JsonObject object(String text) {
    try {
      JsonReader reader = new JsonReader(new StringReader(text));
      reader.setStrictness(Strictness.STRICT);
      if (JsonParser.parseReader(reader) instanceof JsonObject object) {
        return object;
      }
    } catch (JsonParseException e) {
      throw LongtakeException.invalidField(
          "body", "Expected a JSON object, but: " + Quoted.line(e.getMessage()));
    }
    throw LongtakeException.invalidField(
        "body", "Expected a JSON object with " + FIELDS + ", but got something else");
  }

  private static ByteString image(JsonElement reference) {
    if (reference instanceof JsonObject object
        && object.size() == 1
        && object.get("image_url") instanceof JsonPrimitive url) {
      Matcher data = DATA_URL.matcher(url.getAsString());
      if (data.matches()) {
        try {
          return ByteString.copyFrom(Base64.getDecoder().decode(data.group(1)));
        } catch (IllegalArgumentException e) {
          // Said below.
        }
      }
    }
    throw LongtakeException.invalidField(
        REFERENCE,
        "Expected input_reference to be {\"image_url\": \"data:image/...;base64,...\"}, but got"
            + " something else; send other files in a form");
  }

  private static VideoRequest ofForm(byte[] body, String contentType) throws IOException {
    // Parts stay in memory, where the whole body is already.
    MultiPartConfig config =
        new MultiPartConfig.Builder()
            .maxParts(MAX_PARTS)
            .maxSize(body.length)
            .maxPartSize(body.length)
            .maxMemoryPartSize(body.length)
            .useFilesForPartsWithoutFileName(false)
            .build();
    Map<String, String> texts = new HashMap<>();
    Optional<ByteString> reference = Optional.empty();
    try (MultiPartFormData.Parts parts =
        MultiPartFormData.getParts(
            Content.Source.from(ByteBuffer.wrap(body)),
            new Attributes.Mapped(),
            contentType,
            config)) {
      for (MultiPart.Part part : parts) {
        byte[] content = bytes(part);
        if (REFERENCE.equals(part.getName())) {
          reference = Optional.of(ByteString.copyFrom(content));
        } else if (part.getName() != null && TEXTS.contains(part.getName())) {
          texts.put(part.getName(), ProtoJson.text(content));
        } else {
          throw unknown(part.getName());
        }
      }
    } catch (LongtakeException e) {
      throw e;
    } catch (RuntimeException e) {
      throw invalidForm(Quoted.line(e.getMessage()));
    }
    return of(texts, reference);
  }

  private static byte[] bytes(MultiPart.Part part) throws IOException {
    ByteBuffer content = Content.Source.asByteBuffer(part.getContentSource());
    byte[] bytes = new byte[content.remaining()];
    content.get(bytes);
    return bytes;
  }

  private static LongtakeException invalidForm(String reason) {
    return LongtakeException.invalidField(
        "body", "Expected a form with %s, but %s".formatted(FIELDS, reason));
  }

  private static LongtakeException unknown(@Nullable String name) {
    return LongtakeException.invalidField(
        Quoted.line(name),
        "Expected %s, but got %s"
            .formatted(FIELDS, name == null ? "a part without a name" : Quoted.of(name)));
  }
}
