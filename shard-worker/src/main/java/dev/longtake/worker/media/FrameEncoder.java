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
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Turns pixels into latents with the encoder of the model's autoencoder, in ONNX Runtime: the mean of the distribution, not a sample, so
 * that the same frame gives the same latents. One frame a call, as {@link FrameDecoder}. May be called by several threads; whoever closes
 * it makes sure that no call is running.
 */
public final class FrameEncoder implements AutoCloseable {
  private static final String INPUT = "sample";
  private static final int COLORS = 3;

  private final OnnxModel network;
  private final List<Float> scale;
  private final List<Float> shift;
  private final int compression;

  private FrameEncoder(OnnxModel network, VaeFiles files, int compression) {
    this.network = network;
    this.scale = files.scale();
    this.shift = files.shift();
    this.compression = compression;
  }

  /**
   * Loads a model's encoder.
   *
   * @param threads that a call may use, the caller's included
   * @throws LongtakeException INVALID_MODEL when the folder has none or it can't be read; INTERNAL when the native library
   *     can't be loaded
   */
  public static FrameEncoder open(ModelFolder model, int threads) {
    VaeFiles files = model.vae().orElseThrow(() -> missing(model));
    Path onnx = files.encoderOnnx().orElseThrow(() -> missing(model));
    return new FrameEncoder(
        OnnxModel.open(onnx, Set.of(INPUT), threads), files, model.defaults().spatialCompression());
  }

  private static LongtakeException missing(ModelFolder model) {
    return new LongtakeException(
        ErrorCode.INVALID_MODEL,
        "Expected an encoder of frames in the model folder %s, but it has none; use a folder whose model_index.json names an encoder_onnx of its vae"
            .formatted(model.root()));
  }

  /** Channels of the latents. */
  public int channels() {
    return scale.size();
  }

  /** Pixels per latent, along each image side. */
  public int compression() {
    return compression;
  }

  /**
   * Encodes one frame.
   *
   * @param rgb 8-bit {@code [height, width, 3]}; read from the buffer's position, which stays
   * @param height in pixels, a multiple of the compression, as {@code width}
   * @return {@code [channels, height / compression, width / compression]}, float32, as the sampler has them
   */
  public float[] encode(ByteBuffer rgb, int height, int width) {
    int pixels = Math.multiplyExact(height, width);
    if (height < 1
        || width < 1
        || height % compression != 0
        || width % compression != 0
        || rgb.remaining() != Math.multiplyExact(pixels, COLORS)) {
      throw new IllegalArgumentException(
          "Expected %d x %d x 3 bytes and sizes that are multiples of %d, but got %d bytes"
              .formatted(height, width, compression, rgb.remaining()));
    }
    return network.run((environment, session) -> {
      // Off-heap, since ONNX Runtime would copy anything else to memory that only the collector
      // frees.
      try (Arena arena = Arena.ofConfined()) {
        FloatBuffer planes =
            arena
                .allocate((long) pixels * COLORS * Float.BYTES, Float.BYTES)
                .asByteBuffer()
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer();
        deinterleave(rgb, pixels, planes);
        return encode(environment, session, planes, height, width);
      }
    });
  }

  /** From {@code [pixels, 3]} in 0..255 to {@code [3, pixels]} in -1..1. */
  private static void deinterleave(ByteBuffer rgb, int pixels, FloatBuffer planes) {
    int from = rgb.position();
    for (int i = 0; i < planes.capacity(); i++) {
      int value = Byte.toUnsignedInt(rgb.get(from + i % pixels * COLORS + i / pixels));
      planes.put(i, value / 127.5f - 1);
    }
  }

  private float[] encode(
      OrtEnvironment environment, OrtSession session, FloatBuffer planes, int height, int width)
      throws OrtException {
    int latentHeight = height / compression;
    int latentWidth = width / compression;
    try (OnnxTensor tensor =
            OnnxTensor.createTensor(environment, planes, new long[] {1, COLORS, height, width});
        OrtSession.Result result = session.run(Map.of(INPUT, tensor))) {
      FloatBuffer parameters =
          network.output(result, 1, 2L * channels(), latentHeight, latentWidth).getFloatBuffer();
      int area = latentHeight * latentWidth;
      float[] latents = new float[channels() * area];
      for (int i = 0; i < latents.length; i++) {
        latents[i] = (parameters.get(i) - shift.get(i / area)) / scale.get(i / area);
      }
      return latents;
    }
  }

  @Override
  public void close() {
    network.close();
  }
}
