package dev.longtake.coordinator.video;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class EncoderCheckTest {
  @TempDir Path folder;

  @Test
  void shouldLeaveNothingWhenAllIsWell() throws IOException {
    EncoderCheck.run(folder);

    try (var files = Files.list(folder)) {
      assertThat(files).isEmpty();
    }
  }

  @Test
  void shouldSayWhatIsWrongWhenNothingCanBeWritten() {
    assertThatThrownBy(() -> EncoderCheck.run(folder.resolve("missing")))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("missing");
  }
}
