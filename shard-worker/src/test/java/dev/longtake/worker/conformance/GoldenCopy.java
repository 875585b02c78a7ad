package dev.longtake.worker.conformance;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** A copy of a case's folder that a test may spoil. */
record GoldenCopy(Path folder) {

  static GoldenCopy of(String golden, Path parent) throws IOException {
    Path copy = Files.createTempDirectory(parent, golden);
    try (Stream<Path> files = Files.list(GoldenFolders.golden(golden))) {
      for (Path file : files.toList()) {
        Files.copy(file, copy.resolve(String.valueOf(file.getFileName())));
      }
    }
    return new GoldenCopy(copy);
  }

  /** With the configuration of the case's first run, which may be another than the case's own. */
  static GoldenCopy ofFirstRun(String golden, Path parent) throws IOException {
    GoldenCopy copy = of(golden, parent);
    try (GoldenCase opened = GoldenCase.open(copy.folder)) {
      JsonObject config = opened.runs().getFirst().override(opened.config());
      Files.writeString(copy.folder.resolve("config.json"), config.toString());
    }
    return copy;
  }

  void changeConfig(Consumer<JsonObject> change) throws IOException {
    Path file = folder.resolve("config.json");
    JsonObject config = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
    change.accept(config);
    Files.writeString(file, config.toString());
  }

  /** Turns the sign of a tensor's largest value. */
  void negateLargest(String tensor) throws IOException {
    Path file = folder.resolve("weights.safetensors");
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    int headerBytes = Math.toIntExact(bytes.getLong(0));
    String header = new String(bytes.array(), Long.BYTES, headerBytes, StandardCharsets.UTF_8);
    var offsets =
        JsonParser.parseString(header)
            .getAsJsonObject()
            .getAsJsonObject(tensor)
            .getAsJsonArray("data_offsets");
    int start = Long.BYTES + headerBytes + offsets.get(0).getAsInt();
    int end = Long.BYTES + headerBytes + offsets.get(1).getAsInt();
    int largest = start;
    for (int at = start; at < end; at += Float.BYTES) {
      if (Math.abs(bytes.getFloat(at)) > Math.abs(bytes.getFloat(largest))) {
        largest = at;
      }
    }
    bytes.putFloat(largest, -bytes.getFloat(largest));
    Files.write(file, bytes.array());
  }
}
