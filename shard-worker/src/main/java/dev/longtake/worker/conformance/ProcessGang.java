package dev.longtake.worker.conformance;

import com.google.protobuf.util.Durations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.common.process.ServerJvm;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.v1.DescribeRequest;
import dev.longtake.v1.Plan;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerGrpc;
import dev.longtake.worker.WorkerMain;
import dev.longtake.worker.device.DeviceChoice;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;

/** Worker processes of their own, each with one thread, that talk to each other over gRPC. */
final class ProcessGang implements Gang {
  private static final Duration READY = Duration.ofMinutes(1);
  private static final Duration RUN = Duration.ofMinutes(5);
  private static final AtomicLong JOBS = new AtomicLong();

  private final Path logs;
  private final List<JavaProcess> processes = new ArrayList<>();
  private final List<ManagedChannel> channels = new ArrayList<>();
  private final ExecutorService calls = Executors.newVirtualThreadPerTaskExecutor();
  private String fingerprint = "";

  private ProcessGang(Path logs) {
    this.logs = logs;
  }

  static ProcessGang start(Path model, int workers, DeviceChoice device) {
    ProcessGang gang;
    try {
      gang = new ProcessGang(Files.createTempDirectory("longtake-conformance"));
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL, "Cannot create a folder for the workers' logs: " + e.getMessage(), e);
    }
    try {
      gang.startAll(model, workers, device);
      return gang;
    } catch (Throwable e) {
      gang.close();
      throw e;
    }
  }

  private void startAll(Path model, int workers, DeviceChoice device) {
    List<Future<JavaProcess>> starting = new ArrayList<>();
    for (int rank = 0; rank < workers; rank++) {
      String name = "worker " + rank;
      Path log = logs.resolve("worker-" + rank + ".log");
      starting.add(calls.submit(() -> startOne(name, model, device, log)));
    }
    // Each is waited for even when one fails, so that none is left behind.
    LongtakeException failure = null;
    for (Future<JavaProcess> one : starting) {
      try {
        processes.add(await(one, READY.plusSeconds(30)));
      } catch (LongtakeException e) {
        failure = e;
      }
    }
    if (failure != null) {
      throw failure;
    }
    processes.forEach(process -> channels.add(Endpoints.connect(process.address())));
    fingerprint =
        WorkerGrpc.newBlockingStub(channels.getFirst())
            .withDeadlineAfter(READY.toSeconds(), TimeUnit.SECONDS)
            .describe(DescribeRequest.getDefaultInstance())
            .getModel()
            .getFingerprint();
  }

  private static JavaProcess startOne(String name, Path model, DeviceChoice device, Path log) {
    return JavaProcess.start(
        name,
        WorkerMain.class.getName(),
        List.of("--model", model.toString(), "--threads", "1", "--device", device.toString()),
        ServerJvm.WORKER,
        log,
        READY);
  }

  @Override
  public Map<String, Captured> run(WorkOrder.Builder order) {
    SliceAssembly assembly = new SliceAssembly();
    order
        .setJobId("conformance-" + JOBS.incrementAndGet())
        .setAttempt(1)
        .clearGang()
        .addAllGang(processes.stream().map(JavaProcess::address).toList())
        .setPlan(Plan.newBuilder().setSequenceRanks(processes.size()).setReason("conformance"))
        .setModelFingerprint(fingerprint)
        .setExchangeTimeout(Durations.fromSeconds(60));
    List<Future<?>> ranks = new ArrayList<>();
    for (int rank = 0; rank < channels.size(); rank++) {
      WorkOrder mine = order.setRank(rank).build();
      int self = rank;
      ranks.add(calls.submit(() -> runRank(self, mine, assembly)));
    }
    for (Future<?> rank : ranks) {
      await(rank, RUN);
    }
    return assembly.assemble();
  }

  private void runRank(int rank, WorkOrder order, SliceAssembly assembly) {
    try {
      WorkerGrpc.newBlockingStub(channels.get(rank))
          .withDeadlineAfter(RUN.toSeconds(), TimeUnit.SECONDS)
          .run(order)
          .forEachRemaining(event -> {
            if (event.getEventCase() == WorkEvent.EventCase.TENSOR) {
              assembly.add(event.getTensor());
            }
          });
    } catch (StatusRuntimeException e) {
      throw GrpcErrors.fromStatus(e, "worker " + rank + " at " + order.getGang(rank));
    }
  }

  private static <T> T await(Future<T> future, Duration limit) {
    try {
      return future.get(limit.toSeconds(), TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof LongtakeException known) {
        throw known;
      }
      throw new LongtakeException(
          ErrorCode.INTERNAL, "A worker of the conformance run failed: " + e.getCause(), e);
    } catch (TimeoutException e) {
      throw new LongtakeException(
          ErrorCode.TIMED_OUT,
          "Expected the workers to finish within %d s, but they did not"
              .formatted(limit.toSeconds()),
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(ErrorCode.CANCELED, "Interrupted while the workers ran", e);
    }
  }

  @Override
  public void close() {
    channels.forEach(ManagedChannel::shutdownNow);
    processes.forEach(JavaProcess::close);
    calls.shutdownNow();
    try (Stream<Path> files = Files.walk(logs)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      // Logs in the system's temporary folder; leaving them does no harm.
    }
  }
}
