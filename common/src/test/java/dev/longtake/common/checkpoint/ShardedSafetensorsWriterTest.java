package dev.longtake.common.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShardedSafetensorsWriterTest {
  private static final long LARGE = (1 << 20) + 3;

  @TempDir private Path folder;

  /** Byte i is i modulo 251, which no piece boundary divides. */
  private static void count(long offsetBytes, MemorySegment target) {
    for (long i = 0; i < target.byteSize(); i++) {
      target.set(ValueLayout.JAVA_BYTE, i, (byte) ((offsetBytes + i) % 251));
    }
  }

  private static ShardedSafetensorsWriter writer(long maxShardBytes) {
    return new ShardedSafetensorsWriter(maxShardBytes)
        .add("b", DType.U8, List.of(60L), ShardedSafetensorsWriterTest::count)
        .add("a", DType.U8, List.of(2L, 20L), ShardedSafetensorsWriterTest::count)
        .add("large", DType.U8, List.of(LARGE), ShardedSafetensorsWriterTest::count)
        .add("c", DType.U8, List.of(1L), ShardedSafetensorsWriterTest::count);
  }

  @Test
  void shouldReadBackEveryByteWhenWrittenInSeveralFiles() throws IOException {
    Path index = writer(100).write(folder);
    assertThat(ShardedCheckpoint.files(index))
        .extracting(file -> file.getFileName().toString())
        .containsExactly(
            "model-00001-of-00003.safetensors",
            "model-00002-of-00003.safetensors",
            "model-00003-of-00003.safetensors");
    assertThat(Files.readString(index)).contains("\"total_size\": " + (60 + 40 + LARGE + 1));
    try (Checkpoint checkpoint = Checkpoints.open(index);
        Arena arena = Arena.ofConfined()) {
      assertThat(checkpoint.names()).containsExactly("a", "b", "c", "large");
      assertThat(checkpoint.info("a").orElseThrow().shape()).containsExactly(2L, 20L);
      MemorySegment large = checkpoint.bytes("large", arena);
      assertThat(large.byteSize()).isEqualTo(LARGE);
      for (long i = 0; i < LARGE; i++) {
        if (large.get(ValueLayout.JAVA_BYTE, i) != (byte) (i % 251)) {
          throw new AssertionError("byte " + i);
        }
      }
    }
  }

  @Test
  void shouldPutAllIntoOneFileWhenThereIsRoom() throws IOException {
    assertThat(ShardedCheckpoint.files(writer(1L << 30).write(folder))).hasSize(1);
  }

  @Test
  void shouldRefuseANameWhenItIsTakenOrReserved() {
    ShardedSafetensorsWriter writer = writer(100);
    for (String name : List.of("a", "__metadata__")) {
      assertThatThrownBy(
              () -> writer.add(name, DType.U8, List.of(1L), ShardedSafetensorsWriterTest::count))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining(name);
    }
  }
}
