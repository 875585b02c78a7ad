package dev.longtake.coordinator.web.json;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.util.JsonFormat;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.eclipse.jetty.util.Fields;

/** Messages as JSON, by protobuf's own rules; what a message has no field for is an error. */
public final class ProtoJson {
  private static final JsonFormat.Printer PRINTER =
      JsonFormat.printer().alwaysPrintFieldsWithNoPresence().omittingInsignificantWhitespace();

  private static final JsonFormat.Parser PARSER = JsonFormat.parser();

  /** Messages in one another, as deep as protobuf reads them. */
  private static final int MAX_DEPTH = 100;

  private ProtoJson() {}

  /** One line. */
  public static String print(MessageOrBuilder message) {
    try {
      return PRINTER.print(message);
    } catch (InvalidProtocolBufferException e) {
      // That is for messages of unknown type, which ours don't hold.
      throw new IllegalStateException(e);
    }
  }

  /**
   * Reads a body; an empty one is an empty message.
   *
   * @throws LongtakeException INVALID_REQUEST
   */
  static void read(byte[] body, Message.Builder into) {
    String text = text(body);
    read(text.isBlank() ? "{}" : text, into);
  }

  /**
   * Reads a request's parameters: a field by its name, one of a field's message as {@code field.name}.
   *
   * @throws LongtakeException INVALID_REQUEST
   */
  static void read(Fields parameters, Message.Builder into) {
    JsonObject json = new JsonObject();
    for (Fields.Field parameter : parameters) {
      String[] path = parameter.getName().split("\\.", -1);
      if (path.length > MAX_DEPTH) {
        throw invalid(
            into,
            "a parameter's name has %d parts, and at most %d are allowed"
                .formatted(path.length, MAX_DEPTH));
      }
      JsonObject owner = json;
      for (int i = 0; i < path.length - 1; i++) {
        if (!owner.has(path[i])) {
          owner.add(path[i], new JsonObject());
        }
        if (!(owner.get(path[i]) instanceof JsonObject inner)) {
          throw invalid(
              into, parameter.getName() + " and a parameter before it exclude each other");
        }
        owner = inner;
      }
      owner.add(path[path.length - 1], value(parameter));
    }
    read(json.toString(), into);
  }

  private static JsonElement value(Fields.Field parameter) {
    if (!parameter.hasMultipleValues()) {
      return new JsonPrimitive(parameter.getValue());
    }
    JsonArray values = new JsonArray();
    parameter.getValues().forEach(values::add);
    return values;
  }

  private static void read(String json, Message.Builder into) {
    try {
      PARSER.merge(json, into);
    } catch (InvalidProtocolBufferException | RuntimeException e) {
      throw invalid(into, Quoted.line(e.getMessage()));
    }
    Unicode.require(into);
  }

  /**
   * What UTF-8 says.
   *
   * @throws LongtakeException INVALID_REQUEST when it is none
   */
  public static String text(byte[] utf8) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString();
    } catch (CharacterCodingException e) {
      throw LongtakeException.invalidField(
          "body", "Expected a body in UTF-8, but it has bytes that are none");
    }
  }

  private static LongtakeException invalid(MessageOrBuilder message, String reason) {
    return LongtakeException.invalidField(
        "body",
        "Expected a %s as JSON, but: %s"
            .formatted(message.getDescriptorForType().getFullName(), reason));
  }
}
