package dev.longtake.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.google.protobuf.ByteString;
import dev.longtake.common.checkpoint.SafetensorsFile;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.model.VaeFiles;
import dev.longtake.v1.EncodeFramesRequest;
import dev.longtake.worker.media.FrameDecoder;
import dev.longtake.worker.order.ProtoTensors;
import java.lang.foreign.ValueLayout;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The demo model's encoder, by itself and behind its decoder. */
final class EnginePixelsTest {
  private static final Path DEMO =
      Path.of(System.getProperty("longtake.root", ".."), "ops/demo-model");
  private static final int CHANNELS = 4;
  private static final int FRAMES = 16;
  private static final int SIDE = 8;
  private static final int AREA = SIDE * SIDE;

  /**
   * Root mean square of the round trip's error in latents, over that of the latents. Measured: 0.12 to 0.20; latents that a sampler has
   * made are not quite those that the autoencoder would.
   */
  private static final double TOLERANCE = 0.3;

  /** Mean error of a byte after another round trip. Measured: 0.2 to 2.1. */
  private static final double BYTE_TOLERANCE = 4;

  private final EnginePixels pixels = new EnginePixels(ModelFolder.open(DEMO), 1);

  @AfterEach
  void close() {
    pixels.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"red_circle_right", "yellow_star_growing", "green_triangle_bouncing"})
  void shouldComeBackNearTheLatentsThatFramesWereDecodedFrom(String clip) {
    float[] latents;
    try (SafetensorsFile reference =
        SafetensorsFile.open(DEMO.resolve("reference/" + clip + ".safetensors"))) {
      latents = reference.bytes("latents").toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
    }
    float[] back =
        ProtoTensors.floats(
            pixels.encode(request(FRAMES, SIDE * 8, SIDE * 8, decoded(latents))).getLatents(),
            "latents",
            1,
            CHANNELS,
            FRAMES,
            SIDE,
            SIDE);

    double squares = 0;
    double size = 0;
    for (int i = 0; i < latents.length; i++) {
      double error = back[i] - latents[i];
      squares += error * error;
      size += latents[i] * latents[i];
    }
    byte[] again = decoded(back).toByteArray();
    byte[] pixelsBefore = decoded(latents).toByteArray();
    double bytes = 0;
    for (int i = 0; i < again.length; i++) {
      bytes += Math.abs(Byte.toUnsignedInt(again[i]) - Byte.toUnsignedInt(pixelsBefore[i]));
    }
    assertThat(Math.sqrt(squares / size)).as(clip).isPositive().isLessThan(TOLERANCE);
    assertThat(bytes / again.length).as(clip).isPositive().isLessThan(BYTE_TOLERANCE);
  }

  private static ByteString decoded(float[] latents) {
    ByteString rgb = ByteString.EMPTY;
    try (FrameDecoder decoder = FrameDecoder.open(ModelFolder.open(DEMO), 1)) {
      for (int frame = 0; frame < FRAMES; frame++) {
        float[] one = new float[CHANNELS * AREA];
        for (int channel = 0; channel < CHANNELS; channel++) {
          System.arraycopy(latents, (channel * FRAMES + frame) * AREA, one, channel * AREA, AREA);
        }
        rgb = rgb.concat(ByteString.copyFrom(decoder.decode(FloatBuffer.wrap(one), SIDE, SIDE)));
      }
    }
    return rgb;
  }

  private static EncodeFramesRequest request(int frames, int height, int width, ByteString rgb) {
    return EncodeFramesRequest.newBuilder()
        .setFrames(frames)
        .setHeight(height)
        .setWidth(width)
        .setRgb(rgb)
        .build();
  }

  @Test
  void shouldGiveAFrameTheSameLatentsWhateverFramesAreBesideIt() {
    byte[] frame = new byte[16 * 24 * 3];
    for (int i = 0; i < frame.length; i++) {
      frame[i] = (byte) (i * 31);
    }
    byte[] both = Arrays.copyOf(frame, 2 * frame.length);
    float[] alone = floats(request(1, 16, 24, ByteString.copyFrom(frame)), 1);
    float[] first = floats(request(2, 16, 24, ByteString.copyFrom(both)), 2);
    for (int channel = 0; channel < CHANNELS; channel++) {
      assertThat(Arrays.copyOfRange(first, channel * 12, channel * 12 + 6))
          .isEqualTo(Arrays.copyOfRange(alone, channel * 6, channel * 6 + 6));
    }
  }

  private float[] floats(EncodeFramesRequest request, int frames) {
    return ProtoTensors.floats(
        pixels.encode(request).getLatents(), "latents", 1, CHANNELS, frames, 2, 3);
  }

  @Test
  void shouldNormaliseTheMeansOfEachChannel() {
    ModelFolder demo = ModelFolder.open(DEMO);
    VaeFiles files = demo.vae().orElseThrow();
    VaeFiles plain =
        new VaeFiles(
            files.decoderOnnx(),
            files.encoderOnnx(),
            files.config(),
            Collections.nCopies(CHANNELS, 0f),
            Collections.nCopies(CHANNELS, 1f));
    byte[] frame = new byte[16 * 24 * 3];
    Arrays.fill(frame, (byte) 200);
    EncodeFramesRequest request = request(1, 16, 24, ByteString.copyFrom(frame));
    float[] latents = floats(request, 1);
    try (EnginePixels unscaled = new EnginePixels(with(demo, Optional.of(plain)), 1)) {
      float[] means =
          ProtoTensors.floats(
              unscaled.encode(request).getLatents(), "latents", 1, CHANNELS, 1, 2, 3);
      for (int i = 0; i < means.length; i++) {
        float shift = files.shift().get(i / 6);
        float scale = files.scale().get(i / 6);
        assertThat(latents[i]).isEqualTo((means[i] - shift) / scale);
      }
    }
  }

  private static ModelFolder with(ModelFolder demo, Optional<VaeFiles> files) {
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

  @Test
  void shouldNameWhatIsWrongWithFrames() {
    assertRefused(request(0, 8, 8, ByteString.EMPTY), "at least 1 frame", "0");
    assertRefused(request(1, 12, 8, ByteString.EMPTY), "height", "multiple of 8", "12");
    assertRefused(request(1, 8, 0, ByteString.EMPTY), "width", "multiple of 8", "got 0");
    assertRefused(request(1, 8, -8, ByteString.EMPTY), "width", "got -8");
    assertRefused(
        request(2, 8, 16, ByteString.copyFrom(new byte[767])), "768 bytes of rgb", "got 767");
    int largest = Integer.MAX_VALUE - 7;
    assertRefused(request(largest, largest, largest, ByteString.EMPTY), "bytes of rgb", "got 0");
  }

  private void assertRefused(EncodeFramesRequest request, String... words) {
    LongtakeException refusal =
        catchThrowableOfType(LongtakeException.class, () -> pixels.encode(request));
    assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
    assertThat(refusal.getMessage()).contains(words).hasLineCount(1);
  }

  @Test
  void shouldSayThatAModelHasNoEncoder() {
    ModelFolder demo = ModelFolder.open(DEMO);
    ModelFolder none = with(demo, Optional.empty());
    try (EnginePixels without = new EnginePixels(none, 1)) {
      LongtakeException refusal =
          catchThrowableOfType(
              LongtakeException.class,
              () -> without.encode(request(1, 8, 8, ByteString.copyFrom(new byte[192]))));
      assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_MODEL);
      assertThat(refusal.getMessage()).contains("encoder_onnx").hasLineCount(1);
    }
  }
}
