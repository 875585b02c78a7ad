package dev.longtake.common.checkpoint;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.common.tensor.DType;
import java.io.IOException;
import java.io.StringReader;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The header of a safetensors file. As strict as the format's own library: every byte of the data belongs to exactly one
 * tensor, names are unique, numbers are plain non-negative integers.
 *
 * @param tensors by name, in alphabetical order
 * @param dataOffsetBytes where the tensors' bytes begin in the file
 */
record SafetensorsHeader(
    SortedMap<String, StoredTensor> tensors, Map<String, String> metadata, long dataOffsetBytes) {
  static final int LENGTH_BYTES = 8;
  static final String METADATA = "__metadata__";

  /** The format's own limit. */
  static final long MAX_HEADER_BYTES = 100_000_000;

  private static final ValueLayout.OfLong LENGTH =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /**
   * Parses and checks the header of a file.
   *
   * @param all the whole file
   */
  static SafetensorsHeader parse(Path file, MemorySegment all) {
    return new Parser(file).parse(all);
  }

  /** One tensor's entry as the file states it, not yet checked. */
  private static final class Entry {
    private @Nullable DType dtype;
    private @Nullable List<Long> shape;
    private @Nullable List<Long> offsets;
  }

  private static final class Parser {
    private static final String NOT_SAFETENSORS =
        "the file is damaged or not safetensors, fetch it again";

    private final Path file;
    private final TreeMap<String, StoredTensor> tensors = new TreeMap<>();
    private final TreeMap<String, String> metadata = new TreeMap<>();
    private boolean hasMetadata;
    private long dataBytes;

    Parser(Path file) {
      this.file = file;
    }

    SafetensorsHeader parse(MemorySegment all) {
      long fileBytes = all.byteSize();
      if (fileBytes < LENGTH_BYTES) {
        throw invalid(
            "at least %d bytes".formatted(LENGTH_BYTES),
            "the file has %d; it is truncated, fetch it again".formatted(fileBytes));
      }
      long headerBytes = all.get(LENGTH, 0);
      if (headerBytes < 0 || headerBytes > fileBytes - LENGTH_BYTES) {
        throw invalid(
            "a header of at most the %d bytes after the first 8"
                .formatted(fileBytes - LENGTH_BYTES),
            "its length is given as %s; the file is truncated or not safetensors, fetch it again"
                .formatted(Long.toUnsignedString(headerBytes)));
      }
      if (headerBytes > MAX_HEADER_BYTES) {
        throw invalid(
            "a header of at most %d bytes".formatted(MAX_HEADER_BYTES),
            "it has %d; split the checkpoint".formatted(headerBytes));
      }
      dataBytes = fileBytes - LENGTH_BYTES - headerBytes;
      byte[] json = all.asSlice(LENGTH_BYTES, headerBytes).toArray(ValueLayout.JAVA_BYTE);
      readJson(decode(json));
      checkLayout();
      return new SafetensorsHeader(
          Collections.unmodifiableSortedMap(tensors),
          Collections.unmodifiableMap(metadata),
          LENGTH_BYTES + headerBytes);
    }

    private String decode(byte[] json) {
      try {
        return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(json)).toString();
      } catch (CharacterCodingException e) {
        throw invalid("a header in UTF-8", "it has other bytes; " + NOT_SAFETENSORS, e);
      }
    }

    private void readJson(String json) {
      try (JsonReader reader = new JsonReader(new StringReader(json))) {
        reader.setStrictness(Strictness.STRICT);
        expect(reader, JsonToken.BEGIN_OBJECT, "a JSON object as header");
        reader.beginObject();
        while (reader.hasNext()) {
          String name = reader.nextName();
          if (name.equals(METADATA)) {
            readMetadata(reader);
          } else {
            readTensor(reader, name);
          }
        }
        reader.endObject();
        if (reader.peek() != JsonToken.END_DOCUMENT) {
          throw invalid("one JSON object as header", "more follows it; " + NOT_SAFETENSORS);
        }
      } catch (IOException e) {
        // The reader's own message holds a line break and a link.
        String reason = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
        throw invalid("a header in JSON", Quoted.line(reason) + "; " + NOT_SAFETENSORS, e);
      }
    }

    private void readMetadata(JsonReader reader) throws IOException {
      if (hasMetadata) {
        throw duplicate(METADATA);
      }
      hasMetadata = true;
      expect(reader, JsonToken.BEGIN_OBJECT, "an object of strings as " + METADATA);
      reader.beginObject();
      while (reader.hasNext()) {
        String key = reader.nextName();
        expect(reader, JsonToken.STRING, "a string as " + Quoted.of(key) + " of " + METADATA);
        metadata.put(key, reader.nextString());
      }
      reader.endObject();
    }

    private void readTensor(JsonReader reader, String name) throws IOException {
      Entry entry = new Entry();
      String where = " of tensor " + Quoted.of(name);
      expect(reader, JsonToken.BEGIN_OBJECT, "an object as entry" + where);
      reader.beginObject();
      while (reader.hasNext()) {
        switch (reader.nextName()) {
          case "dtype" -> entry.dtype = readDType(reader, where);
          case "shape" -> entry.shape = readNumbers(reader, "shape" + where);
          case "data_offsets" -> entry.offsets = readNumbers(reader, "data_offsets" + where);
          default -> reader.skipValue();
        }
      }
      reader.endObject();
      if (tensors.put(name, check(name, entry)) != null) {
        throw duplicate(Quoted.of(name));
      }
    }

    private DType readDType(JsonReader reader, String where) throws IOException {
      expect(reader, JsonToken.STRING, "a string as dtype" + where);
      String name = reader.nextString();
      return Arrays.stream(DType.values())
          .filter(d -> d.name().equals(name))
          .findFirst()
          .orElseThrow(() ->
              invalid(
                  "one of " + Arrays.toString(DType.values()) + " as dtype" + where,
                  "it is " + Quoted.of(name) + "; convert the checkpoint to one of these"));
    }

    private List<Long> readNumbers(JsonReader reader, String what) throws IOException {
      expect(reader, JsonToken.BEGIN_ARRAY, "an array as " + what);
      List<Long> numbers = new ArrayList<>();
      reader.beginArray();
      while (reader.hasNext()) {
        expect(reader, JsonToken.NUMBER, "integers in " + what);
        String text = reader.nextString();
        numbers.add(
            parseNumber(text)
                .orElseThrow(() ->
                    invalid(
                        "integers from 0 to 2^63-1 in " + what,
                        "one is " + Quoted.line(text) + "; " + NOT_SAFETENSORS)));
      }
      reader.endArray();
      return numbers;
    }

    private static Optional<Long> parseNumber(String text) {
      try {
        long number = Long.parseLong(text);
        return number < 0 ? Optional.empty() : Optional.of(number);
      } catch (NumberFormatException e) {
        return Optional.empty();
      }
    }

    private StoredTensor check(String name, Entry entry) {
      String where = " of tensor " + Quoted.of(name);
      DType dtype = present(entry.dtype, "dtype" + where);
      List<Long> shape = present(entry.shape, "shape" + where);
      List<Long> offsets = present(entry.offsets, "data_offsets" + where);
      if (offsets.size() != 2) {
        throw invalid(
            "two numbers as data_offsets" + where,
            "there are " + offsets.size() + "; " + NOT_SAFETENSORS);
      }
      long start = offsets.getFirst();
      long end = offsets.getLast();
      if (start > end || end > dataBytes) {
        throw invalid(
            "data_offsets%s within the file's %d bytes of data".formatted(where, dataBytes),
            "they are [%d, %d]; the file is truncated or damaged, fetch it again"
                .formatted(start, end));
      }
      long sizeBytes = sizeBytes(dtype, shape, where);
      if (end - start != sizeBytes) {
        throw invalid(
            "%d bytes%s, which is %s %s".formatted(sizeBytes, where, dtype, shape),
            "its data_offsets [%d, %d] hold %d; %s"
                .formatted(start, end, end - start, NOT_SAFETENSORS));
      }
      return new StoredTensor(new TensorInfo(name, dtype, shape, sizeBytes), start);
    }

    private <T> T present(@Nullable T value, String what) {
      if (value == null) {
        throw invalid("a " + what, "it is missing; " + NOT_SAFETENSORS);
      }
      return value;
    }

    private long sizeBytes(DType dtype, List<Long> shape, String where) {
      if (shape.contains(0L)) {
        return 0;
      }
      long size = dtype.sizeBytes();
      for (long extent : shape) {
        if (size > dataBytes / extent) {
          throw invalid(
              "a shape%s that fits the file's %d bytes of data".formatted(where, dataBytes),
              "it is %s %s; the file is truncated or damaged, fetch it again"
                  .formatted(dtype, Quoted.line(shape.toString())));
        }
        size *= extent;
      }
      return size;
    }

    /** Neither overlaps nor gaps: one would alias weights, the other can hide something else in the file. */
    private void checkLayout() {
      List<StoredTensor> byOffset = new ArrayList<>(tensors.values());
      byOffset.sort(
          Comparator.comparingLong(StoredTensor::offsetBytes)
              .thenComparingLong(StoredTensor::endBytes));
      long end = 0;
      String before = "the header";
      for (StoredTensor tensor : byOffset) {
        if (tensor.offsetBytes() != end) {
          throw invalid(
              "tensor %s to start at %d, after %s".formatted(Quoted.of(tensor.name()), end, before),
              "it starts at %d, which leaves %s; %s"
                  .formatted(
                      tensor.offsetBytes(),
                      tensor.offsetBytes() < end ? "an overlap" : "a gap",
                      NOT_SAFETENSORS));
        }
        end = tensor.endBytes();
        before = Quoted.of(tensor.name());
      }
      if (end != dataBytes) {
        throw invalid(
            "%d bytes of data, as the tensors take".formatted(end),
            "the file has %d; %s".formatted(dataBytes, NOT_SAFETENSORS));
      }
    }

    private void expect(JsonReader reader, JsonToken token, String what) throws IOException {
      JsonToken found = reader.peek();
      if (found != token) {
        throw invalid(what, "there is " + describe(found) + "; " + NOT_SAFETENSORS);
      }
    }

    private static String describe(JsonToken token) {
      return switch (token) {
        case BEGIN_ARRAY -> "an array";
        case BEGIN_OBJECT -> "an object";
        case STRING -> "a string";
        case NUMBER -> "a number";
        case BOOLEAN -> "a boolean";
        case NULL -> "null";
        case END_DOCUMENT, END_ARRAY, END_OBJECT, NAME -> "nothing";
      };
    }

    private LongtakeException duplicate(String name) {
      return invalid("each name once in the header", name + " is there twice; " + NOT_SAFETENSORS);
    }

    private LongtakeException invalid(String expected, String found) {
      return invalid(expected, found, null);
    }

    private LongtakeException invalid(String expected, String found, @Nullable Throwable cause) {
      return new LongtakeException(
          ErrorCode.INVALID_CHECKPOINT,
          "Expected %s in %s, but %s".formatted(expected, file, found),
          cause);
    }
  }
}
