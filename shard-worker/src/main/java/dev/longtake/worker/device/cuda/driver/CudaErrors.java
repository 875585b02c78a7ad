package dev.longtake.worker.device.cuda.driver;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.util.Set;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import org.jspecify.annotations.Nullable;

/**
 * CUDA's results in words, and the memory of the one that nothing survives: from then on every call fails with it at once. Thread-safe.
 *
 * <p>Kernels run later than their launch, so a failed one shows in whatever is called next; hence the last launch is named, too.
 */
final class CudaErrors {
  /** After these CUDA answers every call of the process with the same error. */
  private static final Set<Integer> FATAL =
      Set.of(
          CUresult.CUDA_ERROR_DEINITIALIZED,
          CUresult.CUDA_ERROR_ECC_UNCORRECTABLE,
          CUresult.CUDA_ERROR_NVLINK_UNCORRECTABLE,
          CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,
          CUresult.CUDA_ERROR_LAUNCH_TIMEOUT,
          CUresult.CUDA_ERROR_CONTEXT_IS_DESTROYED,
          CUresult.CUDA_ERROR_ASSERT,
          CUresult.CUDA_ERROR_HARDWARE_STACK_ERROR,
          CUresult.CUDA_ERROR_ILLEGAL_INSTRUCTION,
          CUresult.CUDA_ERROR_MISALIGNED_ADDRESS,
          CUresult.CUDA_ERROR_INVALID_ADDRESS_SPACE,
          CUresult.CUDA_ERROR_INVALID_PC,
          CUresult.CUDA_ERROR_LAUNCH_FAILED,
          CUresult.CUDA_ERROR_SYSTEM_NOT_READY,
          CUresult.CUDA_ERROR_MPS_RPC_FAILURE,
          CUresult.CUDA_ERROR_MPS_CLIENT_TERMINATED,
          CUresult.CUDA_ERROR_EXTERNAL_DEVICE,
          CUresult.CUDA_ERROR_UNKNOWN,
          // Newer than the binding: contained errors (226), leaked tensor memory (721).
          226,
          721);

  private final String gpu;
  private volatile @Nullable LongtakeException lost;
  private volatile String lastKernel = "";

  /** @param gpu for messages */
  CudaErrors(String gpu) {
    this.gpu = gpu;
  }

  /** {@code "CUDA_ERROR_ILLEGAL_ADDRESS (700)"}. */
  static String name(int result) {
    String[] name = {null};
    int known = JCudaDriver.cuGetErrorName(result, name);
    return "%s (%d)"
        .formatted(
            known == CUresult.CUDA_SUCCESS && name[0] != null ? name[0] : "an unknown error",
            result);
  }

  /** A kernel is about to be launched. */
  void launching(String kernel) {
    lastKernel = kernel;
  }

  /** Whether the GPU has failed for good. */
  boolean isLost() {
    return lost != null;
  }

  /**
   * To be called before every operation.
   *
   * @throws LongtakeException DEVICE_LOST when the GPU has failed for good, with the words of that failure
   */
  void requireAlive() {
    LongtakeException first = lost;
    if (first != null) {
      throw new LongtakeException(first.code(), first.getMessage(), first);
    }
  }

  /**
   * Takes a result.
   *
   * @param operation what was asked for, such as "upload 64 bytes"
   * @throws LongtakeException DEVICE_LOST, OUT_OF_MEMORY or INTERNAL unless it is CUDA_SUCCESS
   */
  void check(int result, String operation) {
    if (result == CUresult.CUDA_SUCCESS) {
      return;
    }
    if (!FATAL.contains(result)) {
      boolean isMemory = result == CUresult.CUDA_ERROR_OUT_OF_MEMORY;
      throw new LongtakeException(
          isMemory ? ErrorCode.OUT_OF_MEMORY : ErrorCode.INTERNAL,
          "Expected %s to %s, but CUDA says %s%s"
              .formatted(
                  gpu,
                  operation,
                  name(result),
                  isMemory ? "; use more workers, a smaller video or a lower --memory-limit" : ""));
    }
    String kernel = lastKernel.isEmpty() ? "" : ", after a launch of " + lastKernel;
    var failure =
        new LongtakeException(
            ErrorCode.DEVICE_LOST,
            "Expected %s to %s, but CUDA says %s%s; nothing runs on it any more in this process: restart the worker, and look at the GPU (nvidia-smi -q) if it happens again"
                .formatted(gpu, operation, name(result), kernel));
    lost = failure;
    throw failure;
  }
}
