package dev.longtake.ops.bench.quality;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.video.SegmentWriter;
import dev.longtake.coordinator.video.VideoFormat;
import dev.longtake.coordinator.video.VideoStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

class VideoDifferenceTest {
  private static final Path REFERENCE = Path.of("../demo-model/reference");
  private static final Path CIRCLE = REFERENCE.resolve("red_circle_right.mp4");
  private static final Path TRIANGLE = REFERENCE.resolve("green_triangle_bouncing.mp4");

  @TempDir Path folder = Path.of("");

  /** Grey frames, of which one is brighter. */
  private Path grey(String name, int width, int height, int frames, int brighter) {
    VideoFormat format = new VideoFormat(width, height, 1, 8);
    VideoStream stream = new VideoStream(folder.resolve(name + ".stream"));
    try (SegmentWriter writer = SegmentWriter.create(folder, name, format, 0)) {
      for (int frame = 0; frame < frames; frame++) {
        ByteBuffer rgb = ByteBuffer.allocate(format.frameBytes());
        while (rgb.hasRemaining()) {
          rgb.put((byte) (frame == brighter ? 120 : 100));
        }
        writer.write(rgb.flip());
      }
      stream.seal(stream.append(0, writer.finish()).streamBytes());
    }
    return stream.toMp4(folder.resolve(name + ".mp4"), () -> true).path();
  }

  @Test
  void shouldFindNothingWhenVideosAreEqual() {
    VideoDifference difference = VideoDifference.of(CIRCLE, CIRCLE);

    assertThat(difference.frames()).isEqualTo(16);
    assertThat(difference.psnrDb()).isEqualTo(Double.POSITIVE_INFINITY);
    assertThat(difference.ssim()).isCloseTo(1, within(1e-12));
    assertThat(difference.largestFrameError()).isZero();
    assertThat(difference.largestPixelError()).isZero();
  }

  @Test
  void shouldTellTheFrameThatDiffersWhenOneDoes() {
    Path even = grey("even", 32, 48, 5, /* brighter= */ -1);
    Path odd = grey("odd", 32, 48, 5, /* brighter= */ 3);

    VideoDifference difference = VideoDifference.of(even, odd);

    assertThat(difference.largestErrorFrame()).isEqualTo(3);
    // 20 levels, but for what the codec rounds.
    assertThat(difference.largestFrameError()).isCloseTo(20, within(2.0));
    assertThat(difference.largestPixelError()).isBetween(18, 22);
    assertThat(difference.psnrDb())
        .isCloseTo(10 * Math.log10(255 * 255 / (20 * 20 / 5.0)), within(1.0));
    assertThat(difference.ssim()).isBetween(0.9, 0.9999);
  }

  @Test
  void shouldFindMoreWhenVideosShowOtherThings() {
    VideoDifference difference = VideoDifference.of(CIRCLE, TRIANGLE);

    assertThat(difference.psnrDb()).isBetween(0.1, 25.0);
    assertThat(difference.ssim()).isLessThan(0.95);
    assertThat(difference.largestFrameError()).isPositive();
  }

  @Test
  void shouldRefuseWhatCannotBeComparedInASentence() {
    assertRefused(
        CIRCLE, REFERENCE.resolve("red_circle_right_extended.mp4"), "as many frames", "has 16");
    assertRefused(
        grey("one", 32, 48, 1, -1), grey("other", 48, 48, 1, -1), "32 x 48", "48 x 48", "one size");
    assertRefused(CIRCLE, Path.of("pom.xml"), "pom.xml", "Expected a picture");
    assertRefused(folder.resolve("none.mp4"), CIRCLE, "none.mp4", "there is no file");
  }

  private static void assertRefused(Path one, Path other, String... words) {
    LongtakeException refusal =
        Assertions.catchThrowableOfType(
            LongtakeException.class, () -> VideoDifference.of(one, other));
    assertThat(refusal).isNotNull();
    assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
    assertThat(refusal.getMessage()).contains(words).doesNotContain("\n");
  }

  @Test
  void shouldPrintTheDifferenceForPeopleAndForScripts() {
    assertThat(run(CIRCLE, TRIANGLE)).contains("PSNR", " dB", "SSIM", "of 255 in frame");
    assertThat(run(CIRCLE, CIRCLE)).contains("infinite: the videos are equal");
    assertThat(run(CIRCLE, CIRCLE, "--json")).contains("\"equal\": true").doesNotContain("psnr");
    assertThat(run(CIRCLE, TRIANGLE, "--json")).contains("\"psnr_db\": ", "\"ssim\": ");
  }

  private static String run(Path one, Path other, String... options) {
    StringWriter out = new StringWriter();
    CommandLine line = new CommandLine(new CompareCommand()).setOut(new PrintWriter(out));
    String[] arguments = new String[options.length + 2];
    arguments[0] = one.toString();
    arguments[1] = other.toString();
    System.arraycopy(options, 0, arguments, 2, options.length);
    assertThat(line.execute(arguments)).isZero();
    return out.toString();
  }
}
