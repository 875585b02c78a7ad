package dev.longtake.coordinator.web.json;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.EnumDescriptor;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Duration;
import com.google.protobuf.Timestamp;
import java.util.Map;
import java.util.TreeMap;

/** JSON Schemas of messages as protobuf's JSON has them, each message once by its name. Not thread-safe. */
final class Schemas {
  private static final String PLACE = "#/components/schemas/";

  private final Map<String, JsonObject> byName = new TreeMap<>();

  /** Refers to the schema of a message, which is added unless it is there. */
  JsonObject reference(Descriptor message) {
    if (message.getFullName().equals(Timestamp.getDescriptor().getFullName())) {
      return typed("string", "date-time");
    }
    if (message.getFullName().equals(Duration.getDescriptor().getFullName())) {
      JsonObject duration = typed("string");
      duration.addProperty("pattern", "^-?\\d+(\\.\\d{1,9})?s$");
      return duration;
    }
    String name = name(message.getFullName());
    if (!byName.containsKey(name)) {
      JsonObject schema = typed("object");
      // Before its fields: messages may hold themselves.
      byName.put(name, schema);
      JsonObject properties = new JsonObject();
      for (FieldDescriptor field : message.getFields()) {
        properties.add(field.getJsonName(), field(field));
      }
      schema.add("properties", properties);
      schema.addProperty("additionalProperties", false);
    }
    return at(name);
  }

  /** All that were referred to. */
  JsonObject all() {
    JsonObject all = new JsonObject();
    byName.forEach(all::add);
    return all;
  }

  private static JsonObject at(String name) {
    JsonObject reference = new JsonObject();
    reference.addProperty("$ref", PLACE + name);
    return reference;
  }

  private JsonObject field(FieldDescriptor field) {
    if (field.isMapField()) {
      JsonObject map = typed("object");
      map.add("additionalProperties", one(field.getMessageType().findFieldByName("value")));
      return map;
    }
    if (!field.isRepeated()) {
      return one(field);
    }
    JsonObject list = typed("array");
    list.add("items", one(field));
    return list;
  }

  private JsonObject one(FieldDescriptor field) {
    return switch (field.getType()) {
      case MESSAGE, GROUP -> reference(field.getMessageType());
      case ENUM -> reference(field.getEnumType());
      case STRING -> typed("string");
      case BYTES -> typed("string", "byte");
      case BOOL -> typed("boolean");
      case FLOAT -> typed("number", "float");
      case DOUBLE -> typed("number", "double");
      case INT32, SINT32, SFIXED32, UINT32, FIXED32 -> typed("integer", "int32");
      // JavaScript's numbers can't hold them all.
      case INT64, SINT64, SFIXED64 -> typed("string", "int64");
      case UINT64, FIXED64 -> typed("string", "uint64");
    };
  }

  private JsonObject reference(EnumDescriptor type) {
    String name = name(type.getFullName());
    JsonObject schema = typed("string");
    JsonArray values = new JsonArray();
    type.getValues().stream().map(EnumValueDescriptor::getName).forEach(values::add);
    schema.add("enum", values);
    byName.put(name, schema);
    return at(name);
  }

  /** Without the package, which all have. */
  private static String name(String fullName) {
    return fullName.substring("longtake.v1.".length());
  }

  static JsonObject typed(String type) {
    JsonObject schema = new JsonObject();
    schema.addProperty("type", type);
    return schema;
  }

  static JsonObject typed(String type, String format) {
    JsonObject schema = typed(type);
    schema.addProperty("format", format);
    return schema;
  }
}
