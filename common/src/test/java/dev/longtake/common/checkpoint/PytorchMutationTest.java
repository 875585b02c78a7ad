package dev.longtake.common.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Damages good files of torch.save, and makes up pickles, in thousands of ways, each from its own seed. */
final class PytorchMutationTest {
  private static final int CASES = 1500;
  private static final int PICKLES = 20_000;

  /** Where the archive's directory is at most, from the end. */
  private static final int DIRECTORY_BYTES = 1200;

  private static final String STORAGE =
      "(\u008c\u0007storagectorch\nFloatStorage\n\u008c\u00010\u008c\u0003cpuK\u0004tQ";
  private static final String TENSOR = "ctorch._utils\n_rebuild_tensor_v2\n";

  /** What pickles of tensors are made of, and some of what they are not. */
  private static final List<String> PARTS =
      List.of(
          "N",
          "\u0088",
          "K\u0000",
          "K\u0001",
          "K\u0002",
          "M\u0000\u0001",
          "J\u00ff\u00ff\u00ff\u00ff",
          "\u008a\u0008\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u007f",
          "(",
          ")",
          "t",
          "\u0085",
          "\u0086",
          "\u0087",
          "]",
          "a",
          "e",
          "}",
          "s",
          "u",
          "R",
          "\u0081",
          "b",
          "Q",
          "q\u0000",
          "h\u0000",
          "q\u0001",
          "h\u0001",
          "\u0094",
          "\u0093",
          "\u008c\u0001x",
          "X\u0001\u0000\u0000\u0000y",
          "X\u00ff\u00ff\u0000\u0000z",
          "\u008c\u0007storage",
          "\u008c\u00010",
          "\u008c\u0005model",
          "ctorch\nFloatStorage\n",
          "ctorch\nBoolStorage\n",
          TENSOR,
          "ctorch._utils\n_rebuild_parameter\n",
          "ccollections\nOrderedDict\n",
          "cargparse\nNamespace\n",
          "cos\nsystem\n",
          ".",
          STORAGE,
          TENSOR + "(" + STORAGE + "K\u0000K\u0002\u0085K\u0001\u0085\u0089NtR");

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({"types.pt", "protocol4.pth", "training.pt"})
  void shouldReadOrRefuseWhenFileIsDamaged(String name) throws IOException {
    byte[] good = Files.readAllBytes(Fixtures.path(name));
    Path file = folder.resolve("damaged.pt");
    int refused = 0;
    for (long seed = 0; seed < CASES; seed++) {
      Files.write(file, mutate(good, pickleBytes(good), new SplittableRandom(seed)));
      try {
        refused += readAll(file) ? 0 : 1;
      } catch (RuntimeException | Error e) {
        throw new AssertionError("Expected a LongtakeException at most, with seed " + seed, e);
      }
    }

    // Some damage is harmless: a changed number in the data, a letter in a name.
    assertThat(refused).isBetween(CASES / 4, CASES - 1);
  }

  @Test
  void shouldReadOrRefuseWhenPickleIsMadeUp() {
    int read = 0;
    for (long seed = 0; seed < PICKLES; seed++) {
      byte[] pickle = madeUp(new SplittableRandom(seed));
      try {
        StateDict.find(new TensorUnpickler("file").read(pickle), "file");
        read++;
      } catch (LongtakeException e) {
        assertThat(e.code()).isEqualTo(ErrorCode.INVALID_CHECKPOINT);
        assertThat(e.getMessage()).contains(" in file, ").hasLineCount(1);
      } catch (RuntimeException | Error e) {
        throw new AssertionError("Expected a LongtakeException at most, with seed " + seed, e);
      }
    }

    assertThat(read).isBetween(1, PICKLES - 1);
  }

  /** Whether the file was accepted; then everything in it must be readable. */
  private static boolean readAll(Path file) {
    try (Checkpoint opened = Checkpoints.open(file)) {
      for (String name : opened.names()) {
        TensorInfo info = opened.info(name).orElseThrow();
        try (Arena arena = Arena.ofConfined()) {
          byte[] bytes = opened.bytes(name, arena).toArray(ValueLayout.JAVA_BYTE);
          assertThat(bytes).hasSize(Math.toIntExact(info.sizeBytes()));
        }
      }
      return true;
    } catch (LongtakeException e) {
      assertThat(e.code()).isEqualTo(ErrorCode.INVALID_CHECKPOINT);
      assertThat(e.getMessage()).contains(file.toString()).hasLineCount(1);
      return false;
    }
  }

  /** The pickle is the first entry: it starts after the first header and ends before the second. */
  private static int pickleBytes(byte[] good) {
    return new String(good, StandardCharsets.ISO_8859_1).indexOf("PK\u0003\u0004", 1);
  }

  private static byte[] mutate(byte[] good, int pickleEnd, SplittableRandom random) {
    int directory = Math.max(0, good.length - DIRECTORY_BYTES);
    return switch (random.nextInt(7)) {
      case 0 -> Arrays.copyOf(good, random.nextInt(good.length));
      case 1 -> flipped(good, random, 0, good.length);
      case 2 -> flipped(good, random, 0, pickleEnd);
      case 3 -> flipped(good, random, directory, good.length);
      case 4 -> withNumber(good, random, directory, good.length);
      case 5 -> withNumber(good, random, 0, pickleEnd);
      default -> withCopy(good, random, pickleEnd);
    };
  }

  private static byte[] flipped(byte[] good, SplittableRandom random, int start, int end) {
    byte[] bytes = good.clone();
    for (int i = random.nextInt(1, 4); i > 0; i--) {
      bytes[random.nextInt(start, end)] = (byte) random.nextInt();
    }
    return bytes;
  }

  /** All ones, the largest signed number or zero, of 1 to 8 bytes. */
  private static byte[] withNumber(byte[] good, SplittableRandom random, int start, int end) {
    byte[] bytes = good.clone();
    int length = 1 << random.nextInt(4);
    int at = random.nextInt(start, end - length);
    int kind = random.nextInt(3);
    Arrays.fill(bytes, at, at + length, (byte) (kind == 2 ? 0 : -1));
    if (kind == 1) {
      bytes[at + length - 1] = Byte.MAX_VALUE;
    }
    return bytes;
  }

  /** A part of the pickle over another one. */
  private static byte[] withCopy(byte[] good, SplittableRandom random, int pickleEnd) {
    byte[] bytes = good.clone();
    int length = random.nextInt(1, 60);
    System.arraycopy(
        good,
        random.nextInt(0, pickleEnd - length),
        bytes,
        random.nextInt(0, pickleEnd - length),
        length);
    return bytes;
  }

  private static byte[] madeUp(SplittableRandom random) {
    StringBuilder pickle = new StringBuilder("\u0080\u0002}(\u008c\u0001w");
    for (int i = random.nextInt(1, 25); i > 0; i--) {
      pickle.append(PARTS.get(random.nextInt(PARTS.size())));
    }
    if (random.nextBoolean()) {
      pickle.append("u.");
    }
    return pickle.toString().getBytes(StandardCharsets.ISO_8859_1);
  }
}
