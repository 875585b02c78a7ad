package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.bytedeco.ffmpeg.global.avcodec.AV_CODEC_ID_H264;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_YUV420P;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.longtake.ops.testing.DecodedVideo;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The demo command with the demo model's defaults: the video shows what the prompt says, measured on decoded frames. */
class DemoVideoTest {
  private static final ShapeTrack.Colour RED = (r, g, b) -> r > 140 && g < 110 && b < 110;
  private static final ShapeTrack.Colour BLACK = (r, g, b) -> r < 60 && g < 60 && b < 60;
  private static final ShapeTrack.Colour GREEN = (r, g, b) -> g > 110 && r < 110 && b < 110;
  private static final ShapeTrack.Colour WHITE = (r, g, b) -> r > 190 && g > 190 && b > 190;

  @TempDir Path folder;

  @Test
  void shouldShowARedCircleMovingRightWhenThePromptSaysSo() throws Exception {
    DecodedVideo video = demo("a red circle moving right on a black background");

    ShapeTrack track = ShapeTrack.of(video, RED, BLACK);
    assertOneShapeOnItsBackground(track);
    assertThat(track.movedRight()).isBetween(0.2, 0.7);
    assertThat(track.movedDown()).isCloseTo(0, within(0.08));
    assertMonotonic(track.positions().stream().map(ShapeTrack.Position::x).toList());
  }

  @Tag("long")
  @Test
  void shouldShowAGreenSquareFallingWhenThePromptSaysSo() throws Exception {
    DecodedVideo video = demo("a green square falling on a white background");

    ShapeTrack track = ShapeTrack.of(video, GREEN, WHITE);
    assertOneShapeOnItsBackground(track);
    assertThat(track.movedDown()).isBetween(0.2, 0.7);
    assertThat(track.movedRight()).isCloseTo(0, within(0.08));
    assertMonotonic(track.positions().stream().map(ShapeTrack.Position::y).toList());
  }

  /** Runs the command, checks what it says about the file against the file, and decodes it. */
  private DecodedVideo demo(String prompt) throws Exception {
    Path file = folder.resolve("new folder/clip.mp4");
    var out = new StringWriter();
    var err = new StringWriter();
    CommandLine line =
        Longtake.commandLine(/* isDebug= */ false)
            .setOut(new PrintWriter(out))
            .setErr(new PrintWriter(err));
    long before = ProcessHandle.current().descendants().filter(ProcessHandle::isAlive).count();

    int status =
        line.execute(
            "demo",
            prompt,
            "--model",
            TestModels.DEMO.toString(),
            "--out",
            file.toString(),
            // Chosen because the shape stays inside the picture: one that leaves comes back at the
            // other side.
            "--seed",
            "1",
            "--json");

    assertThat(status).as("%s", err).isZero();
    assertThat(ProcessHandle.current().descendants().filter(ProcessHandle::isAlive).count())
        .isEqualTo(before);
    JsonObject report = JsonParser.parseString(out.toString()).getAsJsonObject();
    JsonObject described = report.getAsJsonObject("video");
    assertThat(report.getAsJsonObject("request").get("seed").getAsLong()).isEqualTo(1);
    JsonObject plan = report.getAsJsonObject("plan");
    assertThat(plan.get("reason").getAsString()).contains("on 2 workers");
    assertThat(report.getAsJsonArray("rank_times")).hasSizeBetween(1, 2);
    assertThat(described.get("size_bytes").getAsLong()).isEqualTo(Files.size(file));
    DecodedVideo video = DecodedVideo.read(file);
    assertThat(video.codec()).isEqualTo(AV_CODEC_ID_H264);
    assertThat(video.pixelFormat()).isEqualTo(AV_PIX_FMT_YUV420P);
    assertThat(video.frames()).hasSize(16);
    assertThat(video.fps()).isEqualTo(8);
    assertThat(List.of(video.width(), video.height())).containsExactly(384, 384);
    assertThat(described.get("width").getAsInt()).isEqualTo(video.width());
    assertThat(described.get("frames").getAsInt()).isEqualTo(video.frames().size());
    return video;
  }

  private static void assertOneShapeOnItsBackground(ShapeTrack track) {
    assertThat(track.positions())
        .allSatisfy(position -> {
          assertThat(position.shapeShare()).isBetween(0.02, 0.35);
          // What is left is the shape's soft outline.
          assertThat(position.shapeShare() + position.backgroundShare()).isGreaterThan(0.93);
        });
  }

  /** No step back beyond the wobble of the outline, and half the way in about half the frames. */
  private static void assertMonotonic(List<Double> places) {
    for (int i = 1; i < places.size(); i++) {
      assertThat(places.get(i)).as("%s", places).isGreaterThan(places.get(i - 1) - 0.01);
    }
    double way = places.getLast() - places.getFirst();
    assertThat(places.get(places.size() / 2) - places.getFirst())
        .as("%s", places)
        .isBetween(way * 0.3, way * 0.75);
  }
}
