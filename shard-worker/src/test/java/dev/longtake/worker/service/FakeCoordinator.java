package dev.longtake.worker.service;

import com.google.protobuf.Duration;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.JoinReply;
import dev.longtake.v1.WorkerReport;
import io.grpc.stub.StreamObserver;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** Records what it hears, welcomes or refuses as it is told. */
final class FakeCoordinator extends ClusterGrpc.ClusterImplBase {
  final LinkedBlockingQueue<WorkerReport> joins = new LinkedBlockingQueue<>();
  final LinkedBlockingQueue<WorkerReport> heartbeats = new LinkedBlockingQueue<>();
  final LinkedBlockingQueue<String> left = new LinkedBlockingQueue<>();

  /** Of each join that was welcome. */
  final LinkedBlockingQueue<StreamObserver<JoinReply>> replies = new LinkedBlockingQueue<>();

  /** For joins to come; 0: 20 ms. */
  volatile int heartbeatSeconds;

  /** Taken by the joins to come, one each; without any they are welcome. */
  final ConcurrentLinkedQueue<Throwable> refusals = new ConcurrentLinkedQueue<>();

  @Override
  public StreamObserver<WorkerReport> join(StreamObserver<JoinReply> worker) {
    return new StreamObserver<>() {
      private boolean first = true;

      @Override
      public void onNext(WorkerReport report) {
        if (!first) {
          heartbeats.add(report);
          return;
        }
        first = false;
        Throwable refusal = refusals.poll();
        joins.add(report);
        if (refusal != null) {
          worker.onError(refusal);
          return;
        }
        worker.onNext(
            JoinReply.newBuilder()
                .setHeartbeatInterval(
                    Duration.newBuilder()
                        .setSeconds(heartbeatSeconds)
                        .setNanos(heartbeatSeconds == 0 ? 20_000_000 : 0))
                .build());
        replies.add(worker);
      }

      @Override
      public void onError(Throwable t) {}

      @Override
      public void onCompleted() {
        left.add("in order");
        worker.onCompleted();
      }
    };
  }
}
