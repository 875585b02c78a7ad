package dev.longtake.common.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Damages a good file in thousands of ways, each from its own seed. */
final class SafetensorsMutationTest {
  private static final int CASES = 4000;
  private static final List<String> NASTY =
      List.of(
          "-1",
          "0",
          "1",
          "7",
          "1e3",
          "0.5",
          "9223372036854775807",
          "9223372036854775808",
          "null",
          "true",
          "\"\"",
          "[]",
          "{}",
          "[[1]]",
          "NaN",
          "\"F32\"",
          "\"\\ud800\"",
          "\"\\n\"",
          ",",
          "}");

  @TempDir Path folder;

  @Test
  void shouldReadOrRefuseWhenFileIsDamaged() throws IOException {
    Path good = folder.resolve("good");
    new SafetensorsWriter()
        .metadata("format", "pt")
        .addF32("blocks.0.weight", new float[] {1, 2, 3, 4, 5, 6}, 2, 3)
        .addF32("blocks.0.bias", new float[] {1, 2}, 2)
        .add("mask", DType.BOOL, List.of(3L), MemorySegment.ofArray(new byte[] {1, 0, 1}))
        .write(good);
    byte[] bytes = Files.readAllBytes(good);
    Path file = folder.resolve("damaged");
    int refused = 0;
    for (long seed = 0; seed < CASES; seed++) {
      Files.write(file, mutate(bytes, new SplittableRandom(seed)));
      try {
        refused += readAll(file) ? 0 : 1;
      } catch (RuntimeException | Error e) {
        throw new AssertionError("Expected a LongtakeException at most, with seed " + seed, e);
      }
    }

    // Some damage is harmless: a changed number in the data, a letter in a name.
    assertThat(refused).isBetween(CASES / 2, CASES - 1);
  }

  /** Whether the file was accepted; then everything in it must be readable. */
  private static boolean readAll(Path file) {
    try (SafetensorsFile opened = SafetensorsFile.open(file)) {
      for (String name : opened.names()) {
        TensorInfo info = opened.info(name).orElseThrow();
        byte[] bytes = opened.bytes(name).toArray(ValueLayout.JAVA_BYTE);
        assertThat(bytes).hasSize(Math.toIntExact(info.sizeBytes()));
      }
      return true;
    } catch (LongtakeException e) {
      assertThat(e.code()).isEqualTo(ErrorCode.INVALID_CHECKPOINT);
      assertThat(e.getMessage()).contains(file.toString()).hasLineCount(1);
      return false;
    }
  }

  private static byte[] mutate(byte[] good, SplittableRandom random) {
    int headerBytes = (int) ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN).getLong();
    String header = new String(good, 8, headerBytes, StandardCharsets.UTF_8);
    byte[] data = Arrays.copyOfRange(good, 8 + headerBytes, good.length);
    return switch (random.nextInt(6)) {
      case 0 -> Arrays.copyOf(good, random.nextInt(good.length));
      case 1 -> flipped(good, random, good.length);
      case 2 -> flipped(good, random, 8);
      case 3 -> assembled(withoutPart(header, random), data);
      case 4 -> assembled(withNumberReplaced(header, random), data);
      default -> assembled(withInsertion(header, random), data);
    };
  }

  /** Random bytes among the first {@code within}. */
  private static byte[] flipped(byte[] good, SplittableRandom random, int within) {
    byte[] bytes = good.clone();
    for (int i = random.nextInt(1, 5); i > 0; i--) {
      bytes[random.nextInt(within)] = (byte) random.nextInt();
    }
    return bytes;
  }

  private static String withoutPart(String header, SplittableRandom random) {
    int start = random.nextInt(header.length());
    int end = random.nextInt(start, Math.min(header.length(), start + 40)) + 1;
    return header.substring(0, start) + header.substring(end);
  }

  private static String withNumberReplaced(String header, SplittableRandom random) {
    int[] digits =
        IntStream.range(0, header.length())
            .filter(i -> Character.isDigit(header.charAt(i)))
            .toArray();
    int at = digits[random.nextInt(digits.length)];
    return header.substring(0, at) + nasty(random) + header.substring(at + 1);
  }

  private static String withInsertion(String header, SplittableRandom random) {
    int at = random.nextInt(header.length());
    return header.substring(0, at) + nasty(random) + header.substring(at);
  }

  private static String nasty(SplittableRandom random) {
    return NASTY.get(random.nextInt(NASTY.size()));
  }

  private static byte[] assembled(String header, byte[] data) {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(8 + json.length + data.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(json.length)
        .put(json)
        .put(data)
        .array();
  }
}
