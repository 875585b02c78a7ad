package dev.longtake.worker.media;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.model.VaeFiles;
import java.lang.foreign.Arena;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Turns latents into pixels with the decoder of the model's autoencoder, in ONNX Runtime. One frame a call: a batch's size
 * can change how its sums are ordered, and the bytes of a frame must not depend on which frames a worker got. May be called
 * by several threads; whoever closes it makes sure that no call is running.
 */
public final class FrameDecoder implements AutoCloseable {
  private static final String INPUT = "latent_sample";
  private static final int COLORS = 3;

  private final OnnxModel network;
  private final float[] scale;
  private final float[] shift;
  private final int compression;

  private FrameDecoder(OnnxModel network, VaeFiles files, int compression) {
    this.network = network;
    this.scale = floats(files.scale());
    this.shift = floats(files.shift());
    this.compression = compression;
  }

  private static float[] floats(List<Float> values) {
    float[] floats = new float[values.size()];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = values.get(i);
    }
    return floats;
  }

  /**
   * Loads a model's decoder.
   *
   * @param threads that a call may use, the caller's included
   * @throws LongtakeException INVALID_MODEL when the folder has none or it can't be read; INTERNAL when the native library
   *     can't be loaded
   */
  public static FrameDecoder open(ModelFolder model, int threads) {
    VaeFiles files =
        model
            .vae()
            .orElseThrow(() ->
                new LongtakeException(
                    ErrorCode.INVALID_MODEL,
                    "Expected an autoencoder in the model folder %s, but it has none; use a folder whose model_index.json names a vae"
                        .formatted(model.root())));
    return new FrameDecoder(
        OnnxModel.open(files.decoderOnnx(), Set.of(INPUT), threads),
        files,
        model.defaults().spatialCompression());
  }

  /** Pixels per latent, along each image side. */
  public int compression() {
    return compression;
  }

  /**
   * Decodes one frame.
   *
   * @param latents {@code [channels, height, width]}, float32, as the sampler leaves them; read from the buffer's position,
   *     which stays
   * @param height in latents
   * @param width in latents
   * @return 8-bit RGB, {@code [height * compression, width * compression, 3]}
   */
  public byte[] decode(FloatBuffer latents, int height, int width) {
    int area = Math.multiplyExact(height, width);
    int elements = Math.multiplyExact(scale.length, area);
    if (height < 1 || width < 1 || latents.remaining() != elements) {
      throw new IllegalArgumentException(
          "Expected %d x %d x %d latents, but got %d"
              .formatted(scale.length, height, width, latents.remaining()));
    }
    return network.run((environment, session) -> {
      // Off-heap, since ONNX Runtime would copy anything else to memory that only the collector
      // frees.
      try (Arena arena = Arena.ofConfined()) {
        FloatBuffer input =
            arena
                .allocate((long) elements * Float.BYTES, Float.BYTES)
                .asByteBuffer()
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer();
        denormalize(latents, area, input);
        return decode(environment, session, input, height, width);
      }
    });
  }

  private void denormalize(FloatBuffer latents, int area, FloatBuffer to) {
    int from = latents.position();
    for (int i = 0; i < to.capacity(); i++) {
      int channel = i / area;
      to.put(i, latents.get(from + i) * scale[channel] + shift[channel]);
    }
  }

  private byte[] decode(
      OrtEnvironment environment, OrtSession session, FloatBuffer input, int height, int width)
      throws OrtException {
    int pixelHeight = Math.multiplyExact(height, compression);
    int pixelWidth = Math.multiplyExact(width, compression);
    try (OnnxTensor tensor =
            OnnxTensor.createTensor(
                environment, input, new long[] {1, scale.length, height, width});
        OrtSession.Result result = session.run(Map.of(INPUT, tensor))) {
      FloatBuffer planes =
          network.output(result, 1, COLORS, pixelHeight, pixelWidth).getFloatBuffer();
      return interleave(planes, Math.multiplyExact(pixelHeight, pixelWidth));
    }
  }

  /** From {@code [3, pixels]} in -1..1 to {@code [pixels, 3]} in 0..255, half to even as PyTorch rounds. */
  private static byte[] interleave(FloatBuffer planes, int pixels) {
    byte[] rgb = new byte[Math.multiplyExact(pixels, COLORS)];
    for (int color = 0; color < COLORS; color++) {
      for (int pixel = 0; pixel < pixels; pixel++) {
        float value = Math.clamp(planes.get(color * pixels + pixel), -1f, 1f);
        rgb[pixel * COLORS + color] = (byte) (int) Math.rint((value + 1f) * 127.5f);
      }
    }
    return rgb;
  }

  @Override
  public void close() {
    network.close();
  }
}
