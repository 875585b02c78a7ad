package dev.longtake.worker.media;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtSession;
import dev.longtake.common.checkpoint.SafetensorsFile;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.model.VaeFiles;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What {@code ops/convert} makes of a tiny text encoder and autoencoder, compared with what PyTorch and SentencePiece gave
 * for them. The system property {@code longtake.converted} names another folder than the one in the resources.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class ConvertedModelTest {
  /** Both sides round differently in float32; values reach 5. */
  private static final float TOLERANCE = 2e-5f;

  private static final int TEXT_CHANNELS = 24;
  private static final int LATENT_CHANNELS = 4;
  private static final int COMPRESSION = 8;

  private final Path root =
      Path.of(System.getProperty("longtake.converted", "src/test/resources/converted"));

  private ModelFolder model;
  private SafetensorsFile expected;
  private TextEncoder encoder;
  private FrameDecoder decoder;

  @BeforeAll
  void open() {
    model = ModelFolder.open(root.resolve("model"));
    expected = SafetensorsFile.open(root.resolve("expected.safetensors"));
    encoder = TextEncoder.open(model, 1);
    decoder = FrameDecoder.open(model, 1);
  }

  @AfterAll
  void close() {
    expected.close();
    encoder.close();
    decoder.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"short", "usual", "spaces", "normalized", "unknown", "long"})
  void shouldGiveEmbeddingOfPyTorchWhenTextEncoderIsConverted(String name) {
    long[] ids = DemoModel.longs(expected, name + ".ids");

    EncodedText encoded = encoder.encode(expected.metadata().getOrDefault(name, ""));

    assertThat(Arrays.stream(encoded.tokenIds()).asLongStream().toArray()).isEqualTo(ids);
    assertThat(encoded.channels()).isEqualTo(TEXT_CHANNELS);
    assertThat(encoded.embedding())
        .containsExactly(
            DemoModel.floats(expected, name + ".embedding", ids.length, TEXT_CHANNELS),
            within(TOLERANCE));
  }

  @ParameterizedTest
  @ValueSource(strings = {"4,4,square", "3,7,wide", "1,1,pixel"})
  void shouldGivePixelsOfPyTorchWhenDecoderIsConverted(String sizeAndName) {
    String[] parts = sizeAndName.split(",", -1);
    int height = Integer.parseInt(parts[0]);
    int width = Integer.parseInt(parts[1]);
    int pixels = height * width * COMPRESSION * COMPRESSION;
    float[] latents =
        DemoModel.floats(expected, parts[2] + ".latents", LATENT_CHANNELS, height, width);
    float[] frame =
        DemoModel.floats(
            expected,
            parts[2] + ".frame",
            3,
            (long) height * COMPRESSION,
            (long) width * COMPRESSION);

    byte[] rgb = decoder.decode(FloatBuffer.wrap(latents), height, width);

    assertThat(rgb).hasSize(pixels * 3);
    for (int i = 0; i < rgb.length; i++) {
      double wanted = (Math.clamp(frame[i % 3 * pixels + i / 3], -1f, 1f) + 1.0) * 127.5;
      assertThat((double) Byte.toUnsignedInt(rgb[i]))
          .as("byte %d", i)
          .isBetween(wanted - 0.51, wanted + 0.51);
    }
    assertThat(decodeUnrounded(latents, height, width)).containsExactly(frame, within(TOLERANCE));
  }

  /** The decoder's output before it becomes bytes, which would hide small errors. */
  private float[] decodeUnrounded(float[] latents, int height, int width) {
    VaeFiles files = model.vae().orElseThrow();
    float[] input = new float[latents.length];
    for (int i = 0; i < input.length; i++) {
      int channel = i / (height * width);
      input[i] = latents[i] * files.scale().get(channel) + files.shift().get(channel);
    }
    String name = "latent_sample";
    try (OnnxModel network = OnnxModel.open(files.decoderOnnx(), Set.of(name), 1)) {
      return network.run((environment, session) -> {
        long[] shape = {1, LATENT_CHANNELS, height, width};
        try (OnnxTensor tensor =
                OnnxTensor.createTensor(environment, FloatBuffer.wrap(input), shape);
            OrtSession.Result result = session.run(Map.of(name, tensor))) {
          FloatBuffer planes = network.output(result, 1, 3, -1, -1).getFloatBuffer();
          float[] values = new float[planes.remaining()];
          planes.get(values);
          return values;
        }
      });
    }
  }

  @Test
  void shouldSayHowLatentsAreScaledWhenAutoencoderIsConverted() {
    VaeFiles files = model.vae().orElseThrow();

    assertThat(decoder.compression()).isEqualTo(COMPRESSION);
    assertThat(files.scale()).hasSize(LATENT_CHANNELS).containsOnly(1 / 0.18215f);
    assertThat(files.shift()).hasSize(LATENT_CHANNELS).containsOnly(0.1159f);
  }
}
