package dev.longtake.ops.bench;

import com.google.protobuf.util.Durations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.v1.DescribeRequest;
import dev.longtake.v1.ForwardTask;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Precision;
import dev.longtake.v1.TensorSlice;
import dev.longtake.v1.WorkFinished;
import dev.longtake.v1.WorkOrder;
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
import java.util.List;
import java.util.concurrent.TimeUnit;

/** One real worker as a process of its own, without a coordinator, and what it costs. */
final class WorkerProcess implements AutoCloseable {
  /** A full-size model is read once before the worker serves. */
  private static final Duration READY = Duration.ofMinutes(5);

  private static final Duration RUN = Duration.ofMinutes(45);

  private final JavaProcess process;
  private final ManagedChannel channel;
  private int orders;

  private WorkerProcess(JavaProcess process) {
    this.process = process;
    channel = Endpoints.connect(process.address());
  }

  /**
   * Starts a worker on all processors.
   *
   * @param logs a folder
   * @param heap of its JVM at most, for example {@code "256m"}
   */
  static WorkerProcess start(Path model, Path logs, String heap) {
    return new WorkerProcess(
        JavaProcess.start(
            "worker",
            WorkerMain.class.getName(),
            List.of("--model", model.toString()),
            List.of("-XX:+UseSerialGC", "-Xmx" + heap),
            logs.resolve("worker.log"),
            READY));
  }

  /**
   * Evaluates the model once.
   *
   * @param task captures {@code "output"}, which is checked
   * @throws LongtakeException INTERNAL when the output is missing or not finite; whatever the worker fails with
   */
  WorkFinished run(ForwardTask task, Precision precision) {
    try {
      var worker =
          WorkerGrpc.newBlockingStub(channel).withDeadlineAfter(RUN.toSeconds(), TimeUnit.SECONDS);
      String fingerprint =
          worker.describe(DescribeRequest.getDefaultInstance()).getModel().getFingerprint();
      WorkOrder order =
          WorkOrder.newBuilder()
              .setJobId("bench-" + ++orders)
              .setAttempt(1)
              .addGang(process.address())
              .setPlan(Plan.newBuilder().setSequenceRanks(1).setReason("bench"))
              .setModelFingerprint(fingerprint)
              .setPrecision(precision)
              .setExchangeTimeout(Durations.fromSeconds(60))
              .setForward(task)
              .build();
      WorkFinished finished = WorkFinished.getDefaultInstance();
      boolean hasOutput = false;
      var events = worker.run(order);
      while (events.hasNext()) {
        var event = events.next();
        switch (event.getEventCase()) {
          case TENSOR -> {
            requireFinite(event.getTensor());
            hasOutput = true;
          }
          case FINISHED -> finished = event.getFinished();
          case STEP_FINISHED, FRAMES, MEASURED, TRACE, EVENT_NOT_SET -> {}
        }
      }
      if (!hasOutput) {
        throw new LongtakeException(
            ErrorCode.INTERNAL, "Expected the worker to return its output, but it returned none");
      }
      return finished;
    } catch (StatusRuntimeException e) {
      throw GrpcErrors.fromStatus(e, "the worker at " + process.address());
    }
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
