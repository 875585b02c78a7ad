package dev.longtake.coordinator;

import dev.longtake.common.rpc.Endpoints;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.SubmitRequest;
import dev.longtake.v1.WatchRequest;
import io.grpc.ManagedChannel;
import java.util.concurrent.TimeUnit;

/** The calls of a client that wants one video. */
record LongtakeStubs(ManagedChannel channel) implements AutoCloseable {
  private static final long CALL_SECONDS = 60;

  static LongtakeStubs connect(String address) {
    return new LongtakeStubs(Endpoints.connect(address));
  }

  /** Submits and waits for the end. */
  Job run(String prompt) {
    var generation =
        GenerationGrpc.newBlockingStub(channel).withDeadlineAfter(CALL_SECONDS, TimeUnit.SECONDS);
    Job job =
        generation.submit(
            SubmitRequest.newBuilder()
                .setRequest(GenerationRequest.newBuilder().setPrompt(prompt))
                .build());
    var events = generation.watch(WatchRequest.newBuilder().setJobId(job.getId()).build());
    JobEvent last = JobEvent.getDefaultInstance();
    while (events.hasNext()) {
      last = events.next();
    }
    return last.getEnded();
  }

  @Override
  public void close() {
    channel.shutdownNow();
  }
}
