package dev.longtake.worker.service;

import dev.longtake.common.partition.Grain;
import dev.longtake.v1.ModelCard;
import org.jspecify.annotations.Nullable;

/**
 * What a worker can do, behind its services.
 *
 * @param model what it serves; orders must name its fingerprint
 * @param device the device's kind: {@code "cpu"} or {@code "cuda"}
 * @param deviceDetail one line for people
 * @param deviceUuid empty where the device has none
 * @param threads of the host that compute
 * @param grain of the pieces that the device cuts tokens into
 * @param memoryTotalBytes what the device may use
 * @param encoder null when the model folder has no text encoder
 * @param pixels encodes frames, or says why not
 * @param resources model and device, closed after the services, once
 */
public record WorkerNode(
    ModelCard model,
    String device,
    String deviceDetail,
    String deviceUuid,
    int threads,
    Grain grain,
    long memoryTotalBytes,
    OrderRunner runner,
    @Nullable PromptEncoder encoder,
    PixelEncoder pixels,
    Runnable resources)
    implements AutoCloseable {
  /** Frees model and device. */
  @Override
  public void close() {
    resources.run();
  }
}
