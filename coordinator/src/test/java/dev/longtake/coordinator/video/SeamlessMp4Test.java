package dev.longtake.coordinator.video;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.bytedeco.ffmpeg.global.avutil.AVCOL_SPC_BT709;
import static org.bytedeco.ffmpeg.global.avutil.AVCOL_SPC_SMPTE170M;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_YUV420P;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.ops.testing.DecodedVideo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class SeamlessMp4Test {
  private static final int COLOUR_TOLERANCE = 4;

  @TempDir Path folder;

  private VideoFile write(String name, VideoFormat format, int frames) {
    return write(
        name,
        format,
        IntStream.range(0, frames)
            .mapToObj(i -> ByteBuffer.wrap(TestFrames.flat(format.width(), format.height(), i)))
            .toList());
  }

  private VideoFile write(String name, VideoFormat format, List<ByteBuffer> frames) {
    Path stream = folder.resolve(name + ".stream");
    try (SegmentWriter writer = SegmentWriter.create(folder, name, format, 0)) {
      frames.forEach(writer::write);
      new VideoStream(stream).append(0, writer.finish());
    }
    return SeamlessMp4.write(stream, folder.resolve(name), () -> true);
  }

  @Test
  void shouldPlayTheColoursThatWereWrittenWhenDecoded() {
    VideoFile file = write("a.mp4", new VideoFormat(64, 48, 1, 8), 12);

    DecodedVideo video = DecodedVideo.read(file.path());

    assertThat(video.width()).isEqualTo(64);
    assertThat(video.height()).isEqualTo(48);
    assertThat(video.fps()).isEqualTo(8.0);
    assertThat(video.pixelFormat()).isEqualTo(AV_PIX_FMT_YUV420P);
    assertThat(video.matrix()).isEqualTo(AVCOL_SPC_SMPTE170M);
    assertThat(video.frames()).hasSize(12);
    for (int i = 0; i < 12; i++) {
      for (int[] at : new int[][] {{0, 0}, {31, 20}, {63, 47}}) {
        int[] pixel = video.pixel(i, at[0], at[1]);
        for (int c = 0; c < 3; c++) {
          assertThat(pixel[c])
              .as("frame %d, channel %d", i, c)
              .isCloseTo(TestFrames.colour(i)[c], within(COLOUR_TOLERANCE));
        }
      }
    }
  }

  @Test
  void shouldEnlargeAndNameTheMatrixOfHdWhenUpscaled() {
    VideoFile file = write("a.mp4", new VideoFormat(64, 48, 16, 24_000 / 1001.0), 2);

    DecodedVideo video = DecodedVideo.read(file.path());

    assertThat(video.width()).isEqualTo(1024);
    assertThat(video.height()).isEqualTo(768);
    assertThat(video.fps()).isCloseTo(24_000 / 1001.0, within(1e-9));
    assertThat(video.matrix()).isEqualTo(AVCOL_SPC_BT709);
    for (int c = 0; c < 3; c++) {
      assertThat(video.pixel(1, 500, 400)[c])
          .isCloseTo(TestFrames.colour(1)[c], within(COLOUR_TOLERANCE));
    }
  }

  @Test
  void shouldKeepEdgesInPlaceWhenTheyMove() {
    VideoFormat format = new VideoFormat(64, 64, 4, 8);
    VideoFile file =
        write(
            "edge.mp4",
            format,
            IntStream.range(0, 16).mapToObj(i -> TestFrames.edge(64, 64, 8 + 3 * i)).toList());

    DecodedVideo video = DecodedVideo.read(file.path());

    for (int i = 0; i < 16; i++) {
      int edge = (8 + 3 * i) * 4;
      assertThat(video.pixel(i, edge - 12, 128)[0])
          .as("left of the edge, frame %d", i)
          .isGreaterThan(240);
      assertThat(video.pixel(i, edge + 12, 128)[0])
          .as("right of the edge, frame %d", i)
          .isLessThan(15);
    }
  }

  @Test
  void shouldGiveTheSameBytesWhenWrittenTwice() throws IOException {
    VideoFormat format = new VideoFormat(64, 64, 8, 8);

    VideoFile first = write("a.mp4", format, 16);
    VideoFile second = write("b.mp4", format, 16);

    assertThat(first.path()).hasSameBinaryContentAs(second.path());
    assertThat(first.sha256()).isEqualTo(second.sha256());
    assertThat(first.sizeBytes()).isEqualTo(Files.size(first.path()));
  }

  @Test
  void shouldTellTheHashOfTheFile() throws Exception {
    VideoFile file = write("a.mp4", new VideoFormat(64, 64, 1, 8), 3);

    byte[] hash = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file.path()));

    assertThat(file.sha256()).isEqualTo(HexFormat.of().formatHex(hash));
  }

  @Test
  void shouldPutTheIndexInFrontWhenFinished() throws IOException {
    VideoFile file = write("a.mp4", new VideoFormat(64, 64, 1, 8), 3);

    String bytes = new String(Files.readAllBytes(file.path()), StandardCharsets.ISO_8859_1);

    assertThat(bytes.indexOf("moov")).isPositive().isLessThan(bytes.indexOf("mdat"));
  }

  @Test
  void shouldLeaveNothingWhenToldToStop() throws IOException {
    write("a.mp4", new VideoFormat(64, 64, 1, 8), 3);
    Path stream = folder.resolve("a.mp4.stream");
    Path target = folder.resolve("b.mp4");

    assertThatThrownBy(() -> SeamlessMp4.write(stream, target, () -> false))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CANCELED));

    try (var files = Files.list(folder)) {
      assertThat(files).containsExactlyInAnyOrder(stream, folder.resolve("a.mp4"));
    }
  }

  @Test
  void shouldRefuseWhenTheStreamIsNone() throws IOException {
    Path stream = Files.writeString(folder.resolve("stream"), "no video");

    assertThatThrownBy(() -> SeamlessMp4.write(stream, folder.resolve("a.mp4"), () -> true))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.INTERNAL));
  }

  @Test
  void shouldSayWhatFitsWhenTheSizeCannotBeEncoded() {
    assertThat(new VideoFormat(17, 32, 1, 8).problem()).get().asString().contains("even upscale");
    assertThat(new VideoFormat(8, 32, 1, 8).problem()).get().asString().contains("at least 16");
    assertThat(new VideoFormat(512, 64, 16, 8).problem())
        .get()
        .asString()
        .contains("smaller upscale");
    assertThat(new VideoFormat(64, 64, 16, 8).problem()).isEmpty();
    assertThatThrownBy(() -> SegmentWriter.create(folder, "a", new VideoFormat(17, 32, 1, 8), 0))
        .isInstanceOf(LongtakeException.class);
  }
}
