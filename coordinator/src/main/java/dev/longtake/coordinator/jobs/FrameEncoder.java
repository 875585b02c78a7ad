package dev.longtake.coordinator.jobs;

import com.google.protobuf.UnsafeByteOperations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.v1.EncodeFramesRequest;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.WorkerGrpc;
import io.grpc.StatusRuntimeException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Has a worker turn frames into latents, one by one, as the model's autoencoder has it. Thread-safe. */
public final class FrameEncoder {
  private final Duration timeout;

  /**
   * @param timeout for each frame
   */
  public FrameEncoder(Duration timeout) {
    this.timeout = timeout;
  }

  /**
   * Blocks until all frames are encoded, by the first of the workers that can be reached.
   *
   * @param frames RGB, [height, width, 3] each
   * @return [1, channels, frames, height, width], float32
   * @throws LongtakeException INVALID_MODEL when the model has no encoder, WORKER_LOST when no worker can be reached
   */
  public Tensor encode(List<ByteBuffer> frames, int width, int height, List<Member> workers) {
    LongtakeException last =
        new LongtakeException(
            ErrorCode.NO_WORKERS,
            "Expected a worker that encodes frames, but none has joined; start one, then submit"
                + " again");
    for (Member worker : workers) {
      try {
        return encode(frames, width, height, worker);
      } catch (LongtakeException failure) {
        if (failure.code() != ErrorCode.UNREACHABLE) {
          throw failure;
        }
        last =
            new LongtakeException(
                ErrorCode.WORKER_LOST,
                "Expected a worker to encode frames, but none of %d could be reached, last %s"
                    .formatted(workers.size(), failure.getMessage()),
                failure);
      }
    }
    throw last;
  }

  private Tensor encode(List<ByteBuffer> frames, int width, int height, Member worker) {
    List<Tensor> latents = new ArrayList<>();
    for (ByteBuffer frame : frames) {
      try {
        latents.add(
            WorkerGrpc.newBlockingStub(worker.channel())
                .withDeadlineAfter(timeout.toNanos(), TimeUnit.NANOSECONDS)
                .encodeFrames(
                    EncodeFramesRequest.newBuilder()
                        .setFrames(1)
                        .setHeight(height)
                        .setWidth(width)
                        .setRgb(UnsafeByteOperations.unsafeWrap(frame))
                        .build())
                .getLatents());
      } catch (StatusRuntimeException e) {
        throw GrpcErrors.fromStatus(e, worker.toString());
      }
    }
    return LatentFrames.join(latents);
  }
}
