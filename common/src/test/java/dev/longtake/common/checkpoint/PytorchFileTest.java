package dev.longtake.common.checkpoint;

import static dev.longtake.common.checkpoint.Invalid.assertInvalid;
import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class PytorchFileTest {
  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"types.pt", "protocol4.pth"})
  void shouldReadEveryTypeAndView(String name) {
    try (Checkpoint file = PytorchFile.open(Fixtures.path(name));
        Arena arena = Arena.ofConfined()) {
      assertThat(file.names())
          .containsExactly(
              "bool",
              "brain",
              "byte",
              "char",
              "double",
              "empty",
              "float",
              "half",
              "int",
              "long",
              "parameter",
              "scalar",
              "second column",
              "second row",
              "short",
              "transposed");
      assertThat(file.info("long")).hasValue(new TensorInfo("long", DType.I64, List.of(2L), 16));
      assertThat(file.info("nothing")).isEmpty();
      assertThat(floats(file, arena, "float", 2, 3)).containsExactly(0, 1, 2, 3, 4, 5);
      assertThat(floats(file, arena, "double", 2)).containsExactly(1.5f, -2);
      assertThat(floats(file, arena, "brain", 2)).containsExactly(1, -3);
      assertThat(floats(file, arena, "half", 2)).containsExactly(0.5f, 65504);
      assertThat(floats(file, arena, "scalar")).containsExactly(4);
      assertThat(floats(file, arena, "empty", 0, 5)).isEmpty();
      assertThat(floats(file, arena, "parameter", 2)).containsExactly(1, 1);
      assertThat(floats(file, arena, "transposed", 3, 2)).containsExactly(0, 3, 1, 4, 2, 5);
      assertThat(floats(file, arena, "second row", 3)).containsExactly(3, 4, 5);
      assertThat(floats(file, arena, "second column", 2)).containsExactly(1, 4);
      assertThat(file.bytes("long", arena).toArray(ValueLayout.JAVA_LONG_UNALIGNED))
          .containsExactly(-1, 1L << 40);
      assertThat(file.bytes("int", arena).toArray(ValueLayout.JAVA_INT_UNALIGNED))
          .containsExactly(7);
      assertThat(file.bytes("short", arena).toArray(ValueLayout.JAVA_SHORT_UNALIGNED))
          .containsExactly((short) -7);
      assertThat(file.bytes("char", arena).toArray(ValueLayout.JAVA_BYTE))
          .containsExactly((byte) -8);
      assertThat(file.bytes("byte", arena).toArray(ValueLayout.JAVA_BYTE))
          .containsExactly((byte) 200);
      assertThat(file.bytes("bool", arena).toArray(ValueLayout.JAVA_BYTE)).containsExactly(1, 0);
    }
  }

  @Test
  void shouldMapTensorsOnlyAsLongAsTheyAreUsed() {
    try (Checkpoint file = PytorchFile.open(Fixtures.path("types.pt"));
        Arena arena = Arena.ofConfined()) {
      MemorySegment floats = file.f32("float", arena, 2, 3);
      assertThat(floats.isMapped()).isTrue();
      assertThat(floats.isReadOnly()).isTrue();
      assertThat(floats.scope()).isEqualTo(arena.scope());
    }
  }

  @Test
  void shouldTakeAveragedWeightsWhenTrainingSavedBoth() {
    try (Checkpoint file = PytorchFile.open(Fixtures.path("training.pt"));
        Arena arena = Arena.ofConfined()) {
      assertThat(file.names()).containsExactly("x.bias", "x.weight");
      assertThat(floats(file, arena, "x.weight", 2)).containsExactly(2, 2);
    }
  }

  @ParameterizedTest
  @CsvSource({"state_dict.pth, x", "module.bin, weight"})
  void shouldFindTheStateDictWhenItIsNestedOrHasAttributes(String name, String tensor) {
    try (Checkpoint file = PytorchFile.open(Fixtures.path(name))) {
      assertThat(file.names()).contains(tensor);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "calls.pt,         refers to \"posix.system\"",
    "whole_module.pt,  refers to \"torch.nn.modules.linear.Linear\"",
    "expanded.pt,      tensor \"x\" whose elements are among the 2 of its storage",
    "nothing.pt,       without any",
    "compressed.pt,    neither compressed nor encrypted",
    "big_endian.pt,    it is \"big\"",
  })
  void shouldSayWhatIsWrongWhenFileIsNoStateDict(String name, String message) {
    Path file = Fixtures.path(name);
    assertInvalid(() -> PytorchFile.open(file), file).hasMessageContaining(message);
    assertThat(Path.of("pwned")).doesNotExist();
  }

  @Test
  void shouldNameTheTensorWhenItIsMissingOrOfAnotherShape() {
    Path path = Fixtures.path("types.pt");
    try (Checkpoint file = PytorchFile.open(path);
        Arena arena = Arena.ofConfined()) {
      assertInvalid(() -> file.bytes("flaot", arena), path)
          .hasMessageContaining("\"flaot\"")
          .hasMessageContaining("\"float\"");
      assertInvalid(() -> file.f32("float", arena, 3, 2), path).hasMessageContaining("[2, 3]");
      assertInvalid(() -> file.f32("short", arena, 1), path).hasMessageContaining("it is I16");
    }
  }

  @Test
  void shouldRefuseWhenFileIsTruncated() throws IOException {
    byte[] whole = Files.readAllBytes(Fixtures.path("state_dict.pth"));
    Path cut = folder.resolve("cut.pt");
    for (int length = 0; length < whole.length; length++) {
      Files.write(cut, Arrays.copyOf(whole, length));
      assertInvalid(() -> PytorchFile.open(cut), cut);
    }
  }

  @Test
  void shouldRefuseWhenFileShrinksAfterOpening() throws IOException {
    Path path = folder.resolve("shrinks.pt");
    Files.copy(Fixtures.path("types.pt"), path);
    try (Checkpoint file = PytorchFile.open(path);
        Arena arena = Arena.ofConfined()) {
      Files.write(path, new byte[100]);
      assertInvalid(() -> file.f32("float", arena, 2, 3), path).hasMessageContaining("\"float\"");
    }
  }

  @Test
  void shouldReadBeyondFourGibibytesWhenFileIsLarge() throws IOException {
    Path path = folder.resolve("large.pt");
    long elements = (1L << 30) + 2;
    LargeArchive.write(path, elements, 42);

    try (Checkpoint file = PytorchFile.open(path);
        Arena arena = Arena.ofConfined()) {
      assertThat(file.info("x"))
          .hasValue(new TensorInfo("x", DType.F32, List.of(elements), 4 * elements));
      MemorySegment x = file.bytes("x", arena);
      assertThat(x.isMapped()).isTrue();
      assertThat(x.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * (elements - 1))).isEqualTo(42);
    }
  }

  private static float[] floats(Checkpoint file, Arena arena, String name, long... shape) {
    return file.f32(name, arena, shape).toArray(ValueLayout.JAVA_FLOAT);
  }
}
