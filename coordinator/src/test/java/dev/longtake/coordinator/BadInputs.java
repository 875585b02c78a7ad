package dev.longtake.coordinator;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.google.gson.internal.LazilyParsedNumber;
import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.EnumDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;

/** Values for every field of a message and for every place of a JSON text, within and beyond what they may be, by a seed. */
final class BadInputs {
  /** Longer than any text that a field takes. */
  private static final int HUGE_CHARS = 200_000;

  private static final int DEEP = 500;

  private final Random random;

  BadInputs(long seed) {
    this.random = new Random(seed);
  }

  /** The way from a message to a field of it, or of a message in it. */
  record Path(List<FieldDescriptor> fields) {
    FieldDescriptor last() {
      return fields.getLast();
    }

    @Override
    public String toString() {
      return String.join(".", fields.stream().map(FieldDescriptor::getName).toList());
    }
  }

  /** All fields, those of messages in it included. */
  static List<Path> paths(Descriptor message) {
    List<Path> paths = new ArrayList<>();
    addPaths(message, List.of(), paths);
    return paths;
  }

  private static void addPaths(Descriptor message, List<FieldDescriptor> to, List<Path> paths) {
    for (FieldDescriptor field : message.getFields()) {
      List<FieldDescriptor> fields = Stream.concat(to.stream(), Stream.of(field)).toList();
      paths.add(new Path(fields));
      if (field.getJavaType() == FieldDescriptor.JavaType.MESSAGE) {
        addPaths(field.getMessageType(), fields, paths);
      }
    }
  }

  /** The message, with a field changed in one way each. */
  List<Message> mutations(Message valid, Path path) {
    return values(path.last()).stream().map(value -> with(valid, path, value)).toList();
  }

  private static Message with(Message valid, Path path, Object value) {
    Message.Builder whole = valid.toBuilder();
    Message.Builder owner = whole;
    for (FieldDescriptor field : path.fields.subList(0, path.fields.size() - 1)) {
      if (field.isRepeated()) {
        Message.Builder element = owner.newBuilderForField(field);
        owner.addRepeatedField(field, element.build());
        owner = owner.getRepeatedFieldBuilder(field, owner.getRepeatedFieldCount(field) - 1);
      } else {
        owner = owner.getFieldBuilder(field);
      }
    }
    owner.setField(path.last(), value);
    return whole.build();
  }

  private List<Object> values(FieldDescriptor field) {
    List<Object> single = singleValues(field);
    if (!field.isRepeated()) {
      return single;
    }
    return Stream.concat(
            single.stream().<Object>map(List::of),
            Stream.<Object>of(List.of(), Collections.nCopies(1000, single.getFirst())))
        .toList();
  }

  private List<Object> singleValues(FieldDescriptor field) {
    return switch (field.getJavaType()) {
      case INT ->
          List.of(0, 1, -1, 7, 1 + random.nextInt(200), Integer.MAX_VALUE, Integer.MIN_VALUE);
      case LONG -> List.of(0L, 1L, -1L, random.nextLong(), Long.MAX_VALUE, Long.MIN_VALUE);
      case DOUBLE ->
          List.of(
              0.0,
              -0.0,
              random.nextDouble(),
              -1.0,
              1e308,
              Double.MIN_VALUE,
              Double.NaN,
              Double.POSITIVE_INFINITY,
              Double.NEGATIVE_INFINITY);
      case FLOAT -> List.of(0f, Float.NaN, Float.POSITIVE_INFINITY);
      case BOOLEAN -> List.of(false, true);
      case STRING ->
          List.of(
              "",
              " ",
              "a red circle",
              "\0\u001b[31m\r\n",
              "\u202e\ud83d\ude00\uffff",
              "../../etc/passwd",
              "a ".repeat(HUGE_CHARS / 2),
              "x".repeat(HUGE_CHARS));
      case BYTE_STRING -> List.of(ByteString.EMPTY, bytes(1), bytes(100), bytes(100_000));
      case ENUM -> enums(field.getEnumType());
      case MESSAGE ->
          List.of(com.google.protobuf.DynamicMessage.getDefaultInstance(field.getMessageType()));
    };
  }

  private static List<Object> enums(EnumDescriptor type) {
    return Stream.concat(
            type.getValues().stream().<Object>map(value -> value),
            Stream.of(99, -1, Integer.MAX_VALUE).map(type::findValueByNumberCreatingIfUnknown))
        .toList();
  }

  private ByteString bytes(int count) {
    byte[] bytes = new byte[count];
    random.nextBytes(bytes);
    return ByteString.copyFrom(bytes);
  }

  /** The object, with something else at one of its places each. */
  List<String> mutations(JsonObject valid) {
    List<String> mutated = new ArrayList<>();
    for (List<String> place : places(valid, List.of())) {
      for (JsonElement value : values()) {
        mutated.add(with(valid.deepCopy(), place, value).toString());
      }
      mutated.add(with(valid.deepCopy(), sibling(place), new JsonPrimitive(1)).toString());
    }
    return mutated;
  }

  private static List<List<String>> places(JsonObject object, List<String> to) {
    List<List<String>> places = new ArrayList<>();
    for (String key : object.keySet()) {
      List<String> place = Stream.concat(to.stream(), Stream.of(key)).toList();
      places.add(place);
      if (object.get(key) instanceof JsonObject inner) {
        places.addAll(places(inner, place));
      }
    }
    return places;
  }

  private static JsonObject with(JsonObject object, List<String> place, JsonElement value) {
    JsonObject owner = object;
    for (String key : place.subList(0, place.size() - 1)) {
      owner = owner.getAsJsonObject(key);
    }
    owner.add(place.getLast(), value);
    return object;
  }

  /** A field that nobody knows. */
  private static List<String> sibling(List<String> place) {
    return Stream.concat(
            place.subList(0, place.size() - 1).stream(), Stream.of("unknown" + place.getLast()))
        .toList();
  }

  private List<JsonElement> values() {
    JsonElement deep = new JsonArray();
    for (int i = 0; i < DEEP; i++) {
      JsonArray outer = new JsonArray();
      outer.add(deep);
      deep = outer;
    }
    return List.of(
        JsonNull.INSTANCE,
        new JsonPrimitive(true),
        new JsonPrimitive(-1),
        new JsonPrimitive(random.nextInt()),
        new JsonPrimitive(0.5),
        new JsonPrimitive(new LazilyParsedNumber("1e400")),
        new JsonPrimitive(new LazilyParsedNumber("99999999999999999999999")),
        new JsonPrimitive(""),
        new JsonPrimitive("NaN"),
        new JsonPrimitive("-Infinity"),
        new JsonPrimitive("half a \ud800 pair"),
        new JsonPrimitive("x".repeat(HUGE_CHARS)),
        new JsonArray(),
        new JsonObject(),
        deep);
  }

  /** The bytes, cut or with some of them replaced. */
  byte[] broken(byte[] valid) {
    if (random.nextInt(4) == 0) {
      return java.util.Arrays.copyOf(valid, random.nextInt(valid.length));
    }
    byte[] broken = valid.clone();
    for (int i = 1 + random.nextInt(3); i > 0; i--) {
      broken[random.nextInt(broken.length)] = (byte) random.nextInt(256);
    }
    return broken;
  }
}
