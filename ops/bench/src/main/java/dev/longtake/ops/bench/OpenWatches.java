package dev.longtake.ops.bench;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.WatchRequest;
import io.grpc.ManagedChannel;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Watches of one job that stay open, over as many connections as that many clients of some watches each would have. */
final class OpenWatches implements AutoCloseable {
  private static final int WATCHES_EACH = 20;
  private static final long SECONDS = 60;

  private final List<ManagedChannel> channels = new ArrayList<>();

  private OpenWatches() {}

  /** Returns when each has had its first event. */
  static OpenWatches of(String address, String jobId, int count) {
    OpenWatches watches = new OpenWatches();
    boolean isOpen = false;
    try {
      CountDownLatch missing = new CountDownLatch(count);
      for (int i = 0; i < count; i++) {
        if (i % WATCHES_EACH == 0) {
          watches.channels.add(Endpoints.connect(address));
        }
        GenerationGrpc.newStub(watches.channels.getLast())
            .watch(WatchRequest.newBuilder().setJobId(jobId).build(), new FirstEvent(missing));
      }
      if (!missing.await(SECONDS, TimeUnit.SECONDS)) {
        throw new LongtakeException(
            ErrorCode.TIMED_OUT,
            "Expected the first events of %d watches within %d s, but %d have none"
                .formatted(count, SECONDS, missing.getCount()));
      }
      isOpen = true;
      return watches;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(ErrorCode.CANCELED, "Interrupted while watches are opened", e);
    } finally {
      if (!isOpen) {
        watches.close();
      }
    }
  }

  /** Counts one down. A watch that fails has no event, and is missed. */
  private static final class FirstEvent implements StreamObserver<JobEvent> {
    private final CountDownLatch missing;
    private boolean isFirst = true;

    FirstEvent(CountDownLatch missing) {
      this.missing = missing;
    }

    @Override
    public void onNext(JobEvent event) {
      if (isFirst) {
        isFirst = false;
        missing.countDown();
      }
    }

    @Override
    public void onError(Throwable failure) {}

    @Override
    public void onCompleted() {}
  }

  @Override
  public void close() {
    channels.forEach(ManagedChannel::shutdownNow);
    try {
      for (ManagedChannel channel : channels) {
        channel.awaitTermination(SECONDS, TimeUnit.SECONDS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
