package dev.longtake.worker;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.v1.EncodeFramesRequest;
import dev.longtake.v1.EncodeFramesResponse;
import dev.longtake.worker.media.FrameEncoder;
import dev.longtake.worker.order.ProtoTensors;
import dev.longtake.worker.service.PixelEncoder;
import java.nio.ByteBuffer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Frames through the encoder of the model's autoencoder, which is opened when it is first needed. Thread-safe. Owns it. */
final class EnginePixels implements PixelEncoder, AutoCloseable {
  private static final int COLORS = 3;

  private final ModelFolder model;
  private final int threads;
  private @Nullable FrameEncoder encoder; // guarded by this

  EnginePixels(ModelFolder model, int threads) {
    this.model = model;
    this.threads = threads;
  }

  @Override
  public synchronized EncodeFramesResponse encode(EncodeFramesRequest request) {
    FrameEncoder open = encoder;
    if (open == null) {
      open = FrameEncoder.open(model, threads);
      encoder = open;
    }
    check(request, open.compression());
    int frames = request.getFrames();
    int height = request.getHeight();
    int width = request.getWidth();
    int area = (height / open.compression()) * (width / open.compression());
    float[] latents = new float[Math.multiplyExact(open.channels() * frames, area)];
    ByteBuffer rgb = request.getRgb().asReadOnlyByteBuffer();
    int frameBytes = rgb.remaining() / frames;
    for (int frame = 0; frame < frames; frame++) {
      float[] encoded = open.encode(rgb.slice(frame * frameBytes, frameBytes), height, width);
      for (int channel = 0; channel < open.channels(); channel++) {
        System.arraycopy(encoded, channel * area, latents, (channel * frames + frame) * area, area);
      }
    }
    List<Long> shape =
        List.of(
            1L,
            (long) open.channels(),
            (long) frames,
            (long) height / open.compression(),
            (long) width / open.compression());
    return EncodeFramesResponse.newBuilder().setLatents(ProtoTensors.of(latents, shape)).build();
  }

  private static void check(EncodeFramesRequest request, int compression) {
    require(
        request.getFrames() >= 1,
        "frames",
        "Expected at least 1 frame to encode, but got %d".formatted(request.getFrames()));
    checkSide("height", request.getHeight(), compression);
    checkSide("width", request.getWidth(), compression);
    // Of three ints the product may not fit a long, a double is near enough to tell.
    double bytes = (double) request.getFrames() * request.getHeight() * request.getWidth() * COLORS;
    require(
        request.getRgb().size() == bytes,
        "rgb",
        "Expected %.0f bytes of rgb for %d frames of %d x %d pixels, but got %d"
            .formatted(
                bytes,
                request.getFrames(),
                request.getWidth(),
                request.getHeight(),
                request.getRgb().size()));
  }

  private static void checkSide(String field, int pixels, int compression) {
    require(
        pixels >= compression && pixels % compression == 0,
        field,
        "Expected a %s that is a multiple of %d, as the autoencoder compresses, but got %d"
            .formatted(field, compression, pixels));
  }

  private static void require(boolean condition, String field, String message) {
    if (!condition) {
      throw LongtakeException.invalidField(field, message);
    }
  }

  @Override
  public synchronized void close() {
    if (encoder != null) {
      encoder.close();
      encoder = null;
    }
  }
}
