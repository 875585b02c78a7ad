package dev.longtake.ops.launcher.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.v1.ClipGeometry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class WhatIfClipTest {
  @TempDir Path folder;

  /** A configuration beside a file that nobody reads. */
  private ModelFolder bare() throws IOException {
    Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"STDiT3\"}");
    Files.writeString(folder.resolve("model.safetensors"), "");
    return ModelFolder.open(folder);
  }

  private static ModelFolder demo() {
    return ModelFolder.open(
        Path.of(System.getProperty("longtake.root", "../.."), "ops/demo-model"));
  }

  private static ClipGeometry clip(ModelFolder model, String size, double seconds) {
    return WhatIfClip.of(
        model,
        "STDiT3",
        Optional.of(size),
        OptionalInt.empty(),
        OptionalDouble.of(seconds),
        OptionalInt.empty());
  }

  /** What Open-Sora 1.2 makes of its published sizes. */
  @ParameterizedTest
  @CsvSource({"2, 51, 15", "4, 102, 30", "8, 204, 60", "16, 408, 120"})
  void shouldCountAsOpenSora12WhenABareModelIsOne(double seconds, int frames, int latentFrames)
      throws IOException {
    ClipGeometry clip = clip(bare(), "1280x720", seconds);

    assertThat(clip.getPixelFrames()).isEqualTo(frames);
    assertThat(clip.getLatentFrames()).isEqualTo(latentFrames);
    assertThat(clip.getLatentHeight()).isEqualTo(90);
    assertThat(clip.getLatentWidth()).isEqualTo(160);
  }

  @Test
  void shouldFollowTheIndexWhenTheModelIsWhole() {
    ModelFolder model = demo();
    ClipGeometry clip = clip(model, "64x48", 2);

    assertThat(clip.getPixelFrames()).isEqualTo((int) Math.rint(2 * model.defaults().fps()));
    assertThat(clip.getLatentFrames())
        .isEqualTo(Math.ceilDiv(clip.getPixelFrames(), model.defaults().temporalCompression()));
    assertThat(clip.getLatentHeight())
        .isEqualTo(Math.ceilDiv(48, model.defaults().spatialCompression()));
  }

  @Test
  void shouldTakeTheLatentFramesWhenTheyAreGiven() throws IOException {
    ClipGeometry clip =
        WhatIfClip.of(
            bare(),
            "STDiT3",
            Optional.of("64x64"),
            OptionalInt.of(1),
            OptionalDouble.empty(),
            OptionalInt.of(7));

    assertThat(clip.getLatentFrames()).isEqualTo(7);
  }

  @ParameterizedTest
  @ValueSource(strings = {"720p", "1280x0", "x720", "1280x720x3", "99999x720", "-1x1"})
  void shouldSayWhatASizeIsWhenItIsNone(String size) {
    assertThatThrownBy(() -> clip(demo(), size, 2))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.field()).contains("--size"))
        .hasMessageContaining("WIDTHxHEIGHT")
        .hasMessageContaining("'" + size + "'");
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -1, Double.NaN, 1e6})
  void shouldRefuseWhenTheSecondsAreNoLength(double seconds) {
    assertThatThrownBy(() -> clip(demo(), "64x64", seconds))
        .hasMessageContaining("--seconds larger than 0");
  }
}
