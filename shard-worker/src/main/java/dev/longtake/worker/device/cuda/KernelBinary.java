package dev.longtake.worker.device.cuda;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.io.InputStream;
import org.jspecify.annotations.Nullable;

/** The kernels as nvcc has compiled them for every GPU, a resource of the build. */
final class KernelBinary {
  private static final String RESOURCE = "kernels.fatbin";

  private KernelBinary() {}

  /**
   * Reads those of this build.
   *
   * @throws LongtakeException INVALID_REQUEST where nvcc was missing when this was built
   */
  static byte[] load() {
    return read(KernelBinary.class.getResourceAsStream(RESOURCE));
  }

  /** Reads and closes what may be missing. */
  static byte[] read(@Nullable InputStream resource) {
    try (InputStream in = resource) {
      if (in == null) {
        throw LongtakeException.invalidField(
            "--device",
            "Expected a build with CUDA kernels for --device cuda, but this one was made without"
                + " nvcc; put nvcc of CUDA 13 on the PATH and build again, or use --device cpu");
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL, "Cannot read the CUDA kernels of this build: " + e.getMessage(), e);
    }
  }
}
