package dev.longtake.coordinator.video;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.ops.testing.DecodedVideo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class VideoStreamTest {
  private static final VideoFormat FORMAT = new VideoFormat(64, 48, 1, 8);

  /** The second is longer than what is between two key frames, 2 s, so it has more fragments than one. */
  private static final int[] SEGMENTS = {16, 40, 8};

  @TempDir Path folder;

  private final List<VideoStream.Segment> appended = new ArrayList<>();

  private Path stream(String name, int segments) {
    Path file = folder.resolve(name);
    int first = 0;
    long bytes = 0;
    for (int i = 0; i < segments; i++) {
      VideoStream.Segment segment = append(file, bytes, first, SEGMENTS[i]);
      appended.add(segment);
      bytes = segment.streamBytes();
      first += SEGMENTS[i];
    }
    return file;
  }

  private VideoStream.Segment append(Path file, long bytes, int first, int frames) {
    try (SegmentWriter writer = SegmentWriter.create(folder, "part", FORMAT, first)) {
      for (int i = first; i < first + frames; i++) {
        writer.write(ByteBuffer.wrap(TestFrames.flat(FORMAT.width(), FORMAT.height(), i)));
      }
      return new VideoStream(file).append(bytes, writer.finish());
    }
  }

  private static void assertPlays(Path file, int first, int frames) {
    DecodedVideo video = DecodedVideo.read(file);
    assertThat(video.frames()).hasSize(frames);
    assertThat(video.fps()).isEqualTo(8.0);
    for (int i = 0; i < frames; i++) {
      for (int c = 0; c < 3; c++) {
        assertThat(video.pixel(i, 31, 20)[c])
            .as("frame %d, channel %d", i, c)
            .isCloseTo(TestFrames.colour(first + i)[c], within(4));
      }
    }
  }

  @Test
  void shouldPlayAfterEachSegmentAndAsOneMp4InTheEnd() {
    assertPlays(stream("one", 1), 0, 16);
    assertPlays(stream("two", 2), 0, 56);
    Path whole = stream("three", 3);
    assertPlays(whole, 0, 64);

    VideoFile mp4 = SeamlessMp4.write(whole, folder.resolve("a.mp4"), () -> true);

    assertThat(mp4.frames()).isEqualTo(64);
    assertPlays(mp4.path(), 0, 64);
  }

  @Test
  void shouldGiveASegmentTheSameBytesWhateverCameBefore() throws IOException {
    byte[] whole = Files.readAllBytes(stream("whole", 3));
    VideoStream.Segment last = appended.get(2);

    Path alone = folder.resolve("alone");
    VideoStream.Segment continued = append(alone, 0, 56, 8);

    assertThat(continued.sha256()).isEqualTo(last.sha256());
    assertThat(continued.sizeBytes()).isEqualTo(last.sizeBytes());
    byte[] bytes = Files.readAllBytes(alone);
    int from = (int) (bytes.length - continued.sizeBytes());
    assertThat(Arrays.copyOfRange(bytes, from, bytes.length))
        .isEqualTo(
            Arrays.copyOfRange(whole, (int) (whole.length - last.sizeBytes()), whole.length));
    // The header is the same, too, so what continues can be joined to what was there.
    assertThat(Arrays.copyOf(bytes, from)).isEqualTo(Arrays.copyOf(whole, from));
    VideoFile mp4 = SeamlessMp4.write(alone, folder.resolve("a.mp4"), () -> true);
    assertPlays(mp4.path(), 56, 8);
  }

  @Test
  void shouldWriteOverWhatAKilledProcessLeft() throws IOException {
    byte[] undisturbed = Files.readAllBytes(stream("undisturbed", 2));
    Path file = stream("cut", 1);
    long bytes = Files.size(file);
    Files.write(file, Arrays.copyOf(Files.readAllBytes(file), (int) bytes + 1234));

    append(file, bytes, 16, 40);

    assertThat(Files.readAllBytes(file)).isEqualTo(undisturbed);
  }

  @Test
  void shouldTakeNothingFromWhoGoesOnWhenAnotherIsLate() throws IOException {
    byte[] undisturbed = Files.readAllBytes(stream("undisturbed", 3));
    Path file = stream("late", 3);
    long first = appended.getFirst().streamBytes();

    VideoStream.Segment again = append(file, first, 16, 40);

    assertThat(again.streamBytes()).isEqualTo(appended.get(1).streamBytes());
    assertThat(Files.readAllBytes(file)).isEqualTo(undisturbed);
    new VideoStream(file).seal(again.streamBytes());
    assertThat(Files.size(file)).isEqualTo(again.streamBytes());
    assertPlays(file, 0, 56);
  }

  @Test
  void shouldRefuseWhenFinishedSegmentsAreMissing() throws IOException {
    Path file = stream("short", 1);
    long bytes = Files.size(file);

    assertThatThrownBy(() -> append(file, bytes + 1, 16, 8))
        .isInstanceOfSatisfying(
            LongtakeException.class,
            e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKSUM_MISMATCH))
        .hasMessageContaining("%d bytes", bytes + 1);
  }

  @Test
  void shouldLeaveNoTemporaryFile() throws IOException {
    Path file = stream("a", 2);

    try (var files = Files.list(folder)) {
      assertThat(files).containsExactly(file);
    }
  }

  @Test
  void shouldRefuseWhenTheFolderIsMissing() {
    Path missing = folder.resolve("missing");

    assertThatThrownBy(() -> SegmentWriter.create(missing, "a", FORMAT, 0))
        .isInstanceOfSatisfying(
            LongtakeException.class,
            e -> assertThat(e.code()).isEqualTo(ErrorCode.STORAGE_UNAVAILABLE))
        .hasMessageContaining("missing");
  }
}
