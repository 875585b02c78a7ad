package dev.longtake.coordinator.video;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class FrameSpoolTest {
  @TempDir Path folder;

  @Test
  void shouldReadFramesInOrderWhenTheyCameInAnother() throws IOException {
    try (FrameSpool spool = FrameSpool.open(folder, "job", 3, 2)) {
      assertThat(spool.write(1, 2, ByteBuffer.wrap(new byte[] {3, 4, 5, 6}))).isEqualTo(2);
      assertThat(spool.write(0, 1, ByteBuffer.wrap(new byte[] {1, 2}))).isEqualTo(3);
      spool.requireComplete();

      ByteBuffer frame = ByteBuffer.allocate(2);
      for (int i = 0; i < 3; i++) {
        spool.read(i, frame.clear());
        assertThat(frame.array()).containsExactly(2 * i + 1, 2 * i + 2);
      }
    }
    try (var files = Files.list(folder)) {
      assertThat(files).isEmpty();
    }
  }

  @Test
  void shouldRefuseFramesWhenTheyDoNotBelongToTheClip() {
    try (FrameSpool spool = FrameSpool.open(folder, "job", 3, 2)) {
      spool.write(1, 1, ByteBuffer.wrap(new byte[2]));

      assertThatThrownBy(() -> spool.write(1, 1, ByteBuffer.wrap(new byte[2])))
          .isInstanceOf(LongtakeException.class)
          .hasMessageContaining("frame 1 came twice");
      assertThatThrownBy(() -> spool.write(2, 2, ByteBuffer.wrap(new byte[4])))
          .hasMessageContaining("within 0 to 2");
      assertThatThrownBy(() -> spool.write(2, 1, ByteBuffer.wrap(new byte[3])))
          .hasMessageContaining("Expected 2 bytes");
      assertThatThrownBy(spool::requireComplete)
          .hasMessage("Expected 3 decoded frames, but got 1; the first missing one is 0");
    }
  }
}
