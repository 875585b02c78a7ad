package dev.longtake.coordinator;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.v1.LinkTimes;
import dev.longtake.v1.Measured;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkFinished;
import dev.longtake.v1.WorkOrder;
import io.grpc.stub.StreamObserver;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;

/** What a fake worker does when it is to measure something. */
final class FakeMeasurements {
  enum Behaviour {
    ANSWER,
    /** Nothing until {@link #release}. */
    HOLD,
    FAIL,
    /** Measures a link without bandwidth, and blocks without kinds. */
    NONSENSE,
  }

  final BlockingQueue<WorkOrder> orders = new LinkedBlockingQueue<>();
  volatile Behaviour behaviour = Behaviour.ANSWER;

  private @Nullable Runnable held; // guarded by this

  static boolean isOne(WorkOrder order) {
    return order.hasMeasureBlocks() || order.hasMeasureLink();
  }

  void run(WorkOrder order, StreamObserver<WorkEvent> response) {
    Behaviour now = behaviour;
    if (now == Behaviour.HOLD) {
      synchronized (this) {
        held = () -> answer(response, measured(order));
      }
    }
    orders.add(order);
    switch (now) {
      case ANSWER -> answer(response, measured(order));
      case HOLD -> {}
      case FAIL ->
          response.onError(
              GrpcErrors.toStatus(
                  new LongtakeException(ErrorCode.INTERNAL, "Expected a device, but got none")));
      case NONSENSE ->
          answer(
              response,
              order.hasMeasureLink()
                  ? Measured.newBuilder().setLink(LinkTimes.getDefaultInstance()).build()
                  : Measured.newBuilder()
                      .setBlocks(TestModel.times().toBuilder().clearKinds())
                      .build());
    }
  }

  /** Answers the order that is held, and those to come. */
  void release() {
    Runnable answer;
    synchronized (this) {
      behaviour = Behaviour.ANSWER;
      answer = held;
      held = null;
    }
    if (answer != null) {
      answer.run();
    }
  }

  private static Measured measured(WorkOrder order) {
    return order.hasMeasureBlocks()
        ? Measured.newBuilder().setBlocks(TestModel.times()).build()
        : Measured.newBuilder()
            .setLink(
                LinkTimes.newBuilder()
                    .setBytesPerSecond(1e9 + order.getRank())
                    .setLatencySeconds(5e-5))
            .build();
  }

  private static void answer(StreamObserver<WorkEvent> response, Measured measured) {
    response.onNext(WorkEvent.newBuilder().setMeasured(measured).build());
    response.onNext(WorkEvent.newBuilder().setFinished(WorkFinished.getDefaultInstance()).build());
    response.onCompleted();
  }
}
