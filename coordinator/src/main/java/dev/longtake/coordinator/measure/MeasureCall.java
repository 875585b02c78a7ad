package dev.longtake.coordinator.measure;

import com.google.protobuf.util.Durations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.v1.Measured;
import dev.longtake.v1.Plan;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerGrpc;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The calls of one measurement, one to each worker, at the same time. */
final class MeasureCall {
  private MeasureCall() {}

  /**
   * Blocks until all workers have answered, at most for the measurement's deadline.
   *
   * @param attempt larger than that of any order before
   * @param context gives it up when cancelled, and is cancelled when a worker fails
   * @param executor one thread per worker
   * @param onBroken told of a worker whose connection broke, by any thread
   * @return what the workers measured, in order of their ranks
   * @throws LongtakeException the first failure, after all calls have ended
   */
  static List<Measured> run(
      Measurement measurement,
      long attempt,
      Context.CancellableContext context,
      Executor executor,
      Consumer<Member> onBroken) {
    List<Member> members = measurement.members();
    List<CompletableFuture<Measured>> calls = new ArrayList<>();
    for (int rank = 0; rank < members.size(); rank++) {
      Member member = members.get(rank);
      WorkOrder order = order(measurement, attempt, rank);
      CompletableFuture<Measured> call =
          CompletableFuture.supplyAsync(
              () -> inContext(context, member, order, measurement, onBroken), executor);
      // The other worker would wait for this one until its own deadline. Without a cause: gRPC
      // would take the cause's
      // status for the other call's.
      var _ =
          call.whenComplete((measured, failure) -> {
            if (failure != null) {
              context.cancel(null);
            }
          });
      calls.add(call);
    }
    return await(calls);
  }

  private static List<Measured> await(List<CompletableFuture<Measured>> calls) {
    List<Measured> answers = new ArrayList<>();
    @Nullable LongtakeException first = null;
    for (CompletableFuture<Measured> call : calls) {
      try {
        // Bounded by the deadline of the call.
        answers.add(call.join());
      } catch (CompletionException e) {
        LongtakeException failure =
            e.getCause() instanceof LongtakeException known
                ? known
                : new LongtakeException(ErrorCode.INTERNAL, "Measuring failed: " + e, e);
        // The one that was cancelled by us is the echo of the other.
        if (first == null || first.code() == ErrorCode.CANCELED) {
          first = failure;
        }
      }
    }
    if (first != null) {
      throw first;
    }
    return answers;
  }

  private static Measured inContext(
      Context context,
      Member member,
      WorkOrder order,
      Measurement measurement,
      Consumer<Member> onBroken) {
    Context previous = context.attach();
    try {
      return call(member, order, measurement);
    } catch (StatusRuntimeException e) {
      LongtakeException meant = GrpcErrors.fromStatus(e, member.toString());
      // Without our error details it was the connection that ended, or the process behind it,
      // unless we cancelled.
      boolean ended = meant.code() == ErrorCode.UNREACHABLE || meant.code() == ErrorCode.CANCELED;
      if (ended && !context.isCancelled()) {
        onBroken.accept(member);
      }
      throw meant;
    } finally {
      context.detach(previous);
    }
  }

  private static Measured call(Member member, WorkOrder order, Measurement measurement) {
    Iterator<WorkEvent> events =
        WorkerGrpc.newBlockingStub(member.channel())
            .withDeadlineAfter(measurement.deadline().toNanos(), TimeUnit.NANOSECONDS)
            .run(order);
    @Nullable Measured measured = null;
    while (events.hasNext()) {
      WorkEvent event = events.next();
      if (event.hasMeasured()) {
        measured = event.getMeasured();
      }
    }
    if (measured == null) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected %s to say what it measured, but its call just ended".formatted(member));
    }
    return measured;
  }

  private static WorkOrder order(Measurement measurement, long attempt, int rank) {
    List<Member> members = measurement.members();
    WorkOrder.Builder order =
        WorkOrder.newBuilder()
            .setJobId(measurement.jobId())
            .setAttempt(attempt)
            .setRank(rank)
            .addAllGang(members.stream().map(Member::address).toList())
            .addAllGangTokens(members.stream().map(Member::callToken).toList())
            .addAllGangIds(members.stream().map(Member::id).toList())
            .setPlan(Plan.newBuilder().setSequenceRanks(members.size()))
            .setModelFingerprint(members.getFirst().description().getModel().getFingerprint())
            .setPrecision(measurement.precision())
            .setExchangeTimeout(Durations.fromNanos(measurement.deadline().toNanos()));
    measurement.addTask(order);
    return order.build();
  }
}
