package dev.longtake.common.checkpoint;

import static dev.longtake.common.checkpoint.Invalid.assertInvalid;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.longtake.common.tensor.Bfloat16;
import dev.longtake.common.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class MappedCheckpointTest {
  @TempDir Path folder;

  private final Arena scratch = Arena.ofConfined();
  private @Nullable MappedCheckpoint opened;

  @BeforeEach
  void open() throws IOException {
    Path file = file();
    short[] brains = {Bfloat16.fromFloat(7), Bfloat16.fromFloat(8)};
    new SafetensorsWriter()
        .addF32("q", new float[] {1, 2, 3, 4}, 2, 2)
        .addF32("k", new float[] {5, 6}, 1, 2)
        .add("v", DType.BF16, List.of(1L, 2L), MemorySegment.ofArray(brains))
        .addF32("other", new float[] {1, 2, 3}, 1, 3)
        .addF32("scalar", new float[] {9})
        .add("ids", DType.I64, List.of(2L), MemorySegment.ofArray(new long[] {1, 2}))
        .write(file);
    Map<String, List<Piece>> pieces =
        Map.of(
            "qk", List.of(Piece.whole("q"), Piece.whole("k")),
            "rows", List.of(Piece.rows("q", 1, 2)),
            "row of v", List.of(Piece.rows("v", 0, 1)),
            "k then q's last", List.of(Piece.whole("k"), Piece.rows("q", 1, 2)),
            "kv", List.of(Piece.whole("k"), Piece.whole("v")),
            "misfit", List.of(Piece.whole("q"), Piece.whole("other")),
            "beyond", List.of(Piece.rows("q", 1, 3)),
            "nowhere", List.of(Piece.whole("q"), Piece.whole("qq")),
            "scalars", List.of(Piece.whole("scalar"), Piece.whole("scalar")),
            "row of scalar", List.of(Piece.rows("scalar", 0, 1)));
    opened =
        MappedCheckpoint.of(
            SafetensorsFile.open(file), name -> pieces.getOrDefault(name, List.of()));
  }

  @AfterEach
  void close() {
    mapped().close();
    scratch.close();
  }

  @Test
  void shouldJoinPiecesAlongTheFirstAxisWhenLayersAreSplit() {
    assertThat(floats("qk", 3, 2)).containsExactly(1, 2, 3, 4, 5, 6);
    assertThat(floats("k then q's last", 2, 2)).containsExactly(5, 6, 3, 4);
    assertThat(mapped().info("qk")).hasValue(new TensorInfo("qk", DType.F32, List.of(3L, 2L), 24));
    assertThat(mapped().bytes("qk", scratch).toArray(ValueLayout.JAVA_FLOAT))
        .containsExactly(1, 2, 3, 4, 5, 6);
  }

  @Test
  void shouldSliceRowsWhenLayersAreFused() {
    assertThat(floats("rows", 1, 2)).containsExactly(3, 4);
    assertThat(floats("row of v", 1, 2)).containsExactly(7, 8);
    assertThat(mapped().info("rows"))
        .hasValue(new TensorInfo("rows", DType.F32, List.of(1L, 2L), 8));
    assertThat(mapped().bytes("rows", scratch).toArray(ValueLayout.JAVA_FLOAT))
        .containsExactly(3, 4);
  }

  @Test
  void shouldKeepTheNameWhenNoneIsGiven() {
    assertThat(floats("q", 2, 2)).containsExactly(1, 2, 3, 4);
    assertThat(floats("scalar")).containsExactly(9);
    assertThat(mapped().info("nothing")).isEmpty();
    assertThat(mapped().names()).containsExactly("ids", "k", "other", "q", "scalar", "v");
  }

  @Test
  void shouldTellWhatOfTheFileIsUsed() {
    assertThat(mapped().tensorsOf(List.of("qk", "rows", "scalar", "nowhere")))
        .containsExactly("k", "q", "qq", "scalar");
  }

  @Test
  void shouldNameTheRealTensorsWhenPiecesAreMissingOrMisfit() {
    assertInvalid(() -> mapped().requireFloat("nowhere", 4, 2), file())
        .hasMessageContaining("Expected a tensor \"qq\"");
    assertThat(mapped().info("nowhere")).isEmpty();
    assertInvalid(() -> mapped().requireFloat("qk", 4, 2), file())
        .hasMessageContaining("\"q\", \"k\" for \"qk\" of shape [4, 2]")
        .hasMessageContaining("together their shape is [3, 2]");
    assertInvalid(() -> mapped().requireFloat("misfit", 3, 2), file())
        .hasMessageContaining("their shapes are [2, 2], [1, 3]");
    assertInvalid(() -> mapped().info("kv"), file())
        .hasMessageContaining("\"k\" is F32 and \"v\" is BF16");
    assertInvalid(() -> mapped().requireFloat("rows", 2, 2), file())
        .hasMessageContaining("\"q\" (rows 1 to 2) for \"rows\" of shape [2, 2]");
    assertInvalid(() -> mapped().f32("beyond", scratch, 2, 2), file())
        .hasMessageContaining("\"q\" with the rows 1 to 3 for \"beyond\"")
        .hasMessageContaining("its shape is [2, 2]");
    assertInvalid(() -> mapped().requireFloat("scalars", 2), file());
    assertInvalid(() -> mapped().requireFloat("row of scalar", 1), file());
    assertInvalid(() -> mapped().requireFloat("ids", 2), file()).hasMessageContaining("it is I64");
  }

  @Test
  void shouldRefuseRowsThatAreNone() {
    assertThatIllegalArgumentException().isThrownBy(() -> Piece.rows("q", 2, 2));
    assertThatIllegalArgumentException().isThrownBy(() -> Piece.rows("q", -1, 2));
  }

  private Path file() {
    return folder.resolve("weights.safetensors");
  }

  private MappedCheckpoint mapped() {
    return Objects.requireNonNull(opened);
  }

  private float[] floats(String name, long... shape) {
    return mapped().f32(name, scratch, shape).toArray(ValueLayout.JAVA_FLOAT);
  }
}
