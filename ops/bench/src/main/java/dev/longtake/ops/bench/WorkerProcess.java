package dev.longtake.ops.bench;

import com.google.protobuf.util.Durations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.common.process.ServerJvm;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.v1.DescribeRequest;
import dev.longtake.v1.ForwardTask;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Precision;
import dev.longtake.v1.RankTrace;
import dev.longtake.v1.TensorSlice;
import dev.longtake.v1.WorkFinished;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerDescription;
import dev.longtake.v1.WorkerGrpc;
import dev.longtake.worker.WorkerMain;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * One real worker as a process of its own, without a coordinator, and what it costs. Orders may be sent by several threads at once.
 */
final class WorkerProcess implements AutoCloseable {
  /** A full-size model is read once before the worker serves. */
  private static final Duration READY = Duration.ofMinutes(5);

  private static final Duration RUN = Duration.ofMinutes(45);

  /** How long a rank waits for a peer. */
  static final com.google.protobuf.Duration EXCHANGE_TIMEOUT = Durations.fromSeconds(60);

  private final JavaProcess process;
  private final ManagedChannel channel;
  private int orders;

  private WorkerProcess(JavaProcess process) {
    this.process = process;
    channel = Endpoints.connect(process.address());
  }

  /**
   * What one rank sent back.
   *
   * @param tensors its parts of captured tensors
   */
  record Result(WorkFinished finished, RankTrace trace, List<TensorSlice> tensors) {}

  /**
   * Starts a worker on all processors, with the JVM that users have but for its heap.
   *
   * @param logs a folder
   * @param heap of its JVM at most, for example {@code "256m"}
   */
  static WorkerProcess start(Path model, Path logs, String heap) {
    return start("worker", model, logs, heap, Runtime.getRuntime().availableProcessors());
  }

  /**
   * Starts a worker, with the JVM that users have but for its heap.
   *
   * @param name of the process and its log
   * @param logs a folder
   * @param heap of its JVM at most, for example {@code "256m"}
   * @param threads that compute
   */
  static WorkerProcess start(String name, Path model, Path logs, String heap, int threads) {
    return new WorkerProcess(
        JavaProcess.start(
            name,
            WorkerMain.class.getName(),
            List.of("--model", model.toString(), "--threads", Integer.toString(threads)),
            Stream.concat(ServerJvm.WORKER.stream(), Stream.of("-Xmx" + heap)).toList(),
            logs.resolve(name + ".log"),
            READY));
  }

  /** {@code host:port}. */
  String address() {
    return process.address();
  }

  /** What the worker says of itself. */
  WorkerDescription describe() {
    try {
      return WorkerGrpc.newBlockingStub(channel)
          .withDeadlineAfter(READY.toSeconds(), TimeUnit.SECONDS)
          .describe(DescribeRequest.getDefaultInstance());
    } catch (StatusRuntimeException e) {
      throw failure(e);
    }
  }

  /**
   * Evaluates the model once.
   *
   * @param task captures {@code "output"}, which is checked
   * @throws LongtakeException INTERNAL when the output is missing or not finite; whatever the worker fails with
   */
  WorkFinished run(ForwardTask task, Precision precision) {
    Result result =
        run(
            WorkOrder.newBuilder()
                .setJobId("bench-" + ++orders)
                .setAttempt(1)
                .addGang(process.address())
                .setPlan(Plan.newBuilder().setSequenceRanks(1).setReason("bench"))
                .setModelFingerprint(describe().getModel().getFingerprint())
                .setPrecision(precision)
                .setExchangeTimeout(EXCHANGE_TIMEOUT)
                .setForward(task)
                .build());
    result.tensors.forEach(WorkerProcess::requireFinite);
    if (result.tensors.isEmpty()) {
      throw new LongtakeException(
          ErrorCode.INTERNAL, "Expected the worker to return its output, but it returned none");
    }
    return result.finished;
  }

  /**
   * Carries out an order.
   *
   * @throws LongtakeException whatever the worker fails with
   */
  Result run(WorkOrder order) {
    try {
      WorkFinished finished = WorkFinished.getDefaultInstance();
      RankTrace trace = RankTrace.getDefaultInstance();
      List<TensorSlice> tensors = new ArrayList<>();
      var events =
          WorkerGrpc.newBlockingStub(channel)
              .withDeadlineAfter(RUN.toSeconds(), TimeUnit.SECONDS)
              .run(order);
      while (events.hasNext()) {
        var event = events.next();
        switch (event.getEventCase()) {
          case TENSOR -> tensors.add(event.getTensor());
          case TRACE -> trace = event.getTrace();
          case FINISHED -> finished = event.getFinished();
          case STEP_FINISHED, FRAMES, MEASURED, STATE, PREVIEW, EVENT_NOT_SET -> {}
        }
      }
      return new Result(finished, trace, List.copyOf(tensors));
    } catch (StatusRuntimeException e) {
      throw failure(e);
    }
  }

  private LongtakeException failure(StatusRuntimeException e) {
    return GrpcErrors.fromStatus(e, "the worker at " + process.address());
  }

  private static void requireFinite(TensorSlice slice) {
    FloatBuffer values =
        slice
            .getTensor()
            .getData()
            .asReadOnlyByteBuffer()
            .order(ByteOrder.LITTLE_ENDIAN)
            .asFloatBuffer();
    while (values.hasRemaining()) {
      float value = values.get();
      if (!Float.isFinite(value)) {
        throw new LongtakeException(
            ErrorCode.INTERNAL,
            "Expected finite numbers in '%s', but got %s".formatted(slice.getName(), value));
      }
    }
  }

  /** Memory resident now; NaN where the system does not say. */
  double residentBytes() {
    return status("VmRSS:");
  }

  /** Most memory that ever was resident; NaN where the system does not say. */
  double peakResidentBytes() {
    return status("VmHWM:");
  }

  private double status(String key) {
    Path status = Path.of("/proc", Long.toString(process.handle().pid()), "status");
    try {
      return Files.readAllLines(status).stream()
          .filter(line -> line.startsWith(key))
          .mapToDouble(line -> Double.parseDouble(line.replaceAll("\\D+", "")) * 1024)
          .findFirst()
          .orElse(Double.NaN);
    } catch (IOException e) {
      return Double.NaN;
    }
  }

  @Override
  public void close() {
    channel.shutdownNow();
    process.close();
  }
}
