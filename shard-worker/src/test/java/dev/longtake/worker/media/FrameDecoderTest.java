package dev.longtake.worker.media;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.checkpoint.SafetensorsFile;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.model.VaeFiles;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class FrameDecoderTest {
  private static final int CHANNELS = 4;
  private static final int FRAMES = 16;
  private static final int SIDE = 8;
  private static final int AREA = SIDE * SIDE;
  private static final int PIXELS = AREA * 64;

  private FrameDecoder decoder;

  @BeforeAll
  void openDecoder() {
    decoder = FrameDecoder.open(DemoModel.folder(), 1);
  }

  @AfterAll
  void closeDecoder() {
    decoder.close();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "red_circle_right",
        "red_circle_right_extended",
        "yellow_star_growing",
        "green_triangle_bouncing"
      })
  void shouldGiveReferencePixelsWhenLatentsAreReference(String name) {
    try (SafetensorsFile reference = DemoModel.reference(name)) {
      float[] latents = DemoModel.floats(reference, "latents", 1, CHANNELS, FRAMES, SIDE, SIDE);
      float[] decoded = DemoModel.floats(reference, "decoded", FRAMES, 3, 64, 64);
      byte[] expected = DemoModel.bytes(reference, "frames_uint8");
      int differing = 0;
      for (int frame = 0; frame < FRAMES; frame++) {
        byte[] rgb = decoder.decode(frameOf(latents, frame), SIDE, SIDE);

        assertThat(rgb).hasSize(PIXELS * 3);
        for (int i = 0; i < rgb.length; i++) {
          int at = (frame * 3 + i % 3) * PIXELS + i / 3;
          int value = Byte.toUnsignedInt(rgb[i]);
          int wanted = Byte.toUnsignedInt(expected[at]);
          assertThat(Math.abs(value - wanted)).as("frame %d, byte %d", frame, i).isLessThan(2);
          assertThat((double) value)
              .as("frame %d, byte %d", frame, i)
              .isBetween(inBytes(decoded[at]) - 0.51, inBytes(decoded[at]) + 0.51);
          differing += value == wanted ? 0 : 1;
        }
      }

      // Only what rounding decides: values within some 1e-5 of half.
      assertThat(differing).isLessThan(FRAMES * PIXELS / 1000);
    }
  }

  private static double inBytes(float decoded) {
    return (Math.clamp(decoded, -1f, 1f) + 1.0) * 127.5;
  }

  @Test
  void shouldGiveEqualBytesWhenThreadsDiffer() {
    try (SafetensorsFile reference = DemoModel.reference("yellow_star_growing");
        FrameDecoder two = FrameDecoder.open(DemoModel.folder(), 2)) {
      float[] latents = DemoModel.floats(reference, "latents", 1, CHANNELS, FRAMES, SIDE, SIDE);
      FloatBuffer frame = frameOf(latents, 7);

      byte[] once = decoder.decode(frame, SIDE, SIDE);

      assertThat(decoder.decode(frame, SIDE, SIDE)).isEqualTo(once);
      assertThat(two.decode(frame, SIDE, SIDE)).isEqualTo(once);
    }
  }

  @Test
  void shouldDecodeOtherSizesWhenFrameIsNotSquare() {
    FloatBuffer latents = FloatBuffer.allocate(3 + CHANNELS * 4 * 6).position(3);

    byte[] rgb = decoder.decode(latents, 4, 6);

    assertThat(rgb).hasSize(32 * 48 * 3);
    assertThat(latents.position()).isEqualTo(3);
  }

  @Test
  void shouldRefuseWhenLatentsDoNotFitTheSize() {
    FloatBuffer latents = FloatBuffer.allocate(CHANNELS * AREA);

    assertThatIllegalArgumentException()
        .isThrownBy(() -> decoder.decode(latents, SIDE, SIDE + 1))
        .withMessageContaining("4 x 8 x 9");
    assertThatIllegalArgumentException().isThrownBy(() -> decoder.decode(latents, -8, -8));
  }

  @Test
  void shouldRefuseWhenFolderHasNoUsableDecoder(@TempDir Path folder) throws IOException {
    ModelFolder demo = DemoModel.folder();
    VaeFiles good = demo.vae().orElseThrow();
    Path damaged = Files.writeString(folder.resolve("damaged.onnx"), "not a network");

    assertInvalid(withFiles(demo, Optional.empty()), "it has none");
    assertInvalid(
        withFiles(
            demo,
            Optional.of(
                new VaeFiles(
                    damaged, good.encoderOnnx(), good.config(), good.shift(), good.scale()))),
        damaged.toString());
  }

  private static void assertInvalid(ModelFolder model, String message) {
    assertThatThrownBy(() -> FrameDecoder.open(model, 1).close())
        .isInstanceOfSatisfying(
            LongtakeException.class,
            e -> {
              assertThat(e.code()).isEqualTo(ErrorCode.INVALID_MODEL);
              assertThat(e.getMessage()).contains(message).hasLineCount(1);
            });
  }

  private static ModelFolder withFiles(ModelFolder demo, Optional<VaeFiles> files) {
    return new ModelFolder(
        demo.root(),
        demo.name(),
        demo.dit(),
        demo.ditWeights(),
        demo.textEncoder(),
        files,
        demo.defaults(),
        demo.limits());
  }

  /** From {@code [channels, frames, height, width]} to {@code [channels, height, width]}. */
  private static FloatBuffer frameOf(float[] latents, int frame) {
    FloatBuffer one = FloatBuffer.allocate(CHANNELS * AREA);
    for (int channel = 0; channel < CHANNELS; channel++) {
      one.put(latents, (channel * FRAMES + frame) * AREA, AREA);
    }
    return one.flip();
  }
}
