package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.client.LongtakeClient;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import io.grpc.ManagedChannel;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Two coordinators on one database and one folder, and two workers and a client that know both, as processes of their own. The first
 * coordinator leads at the beginning.
 */
final class FailoverCluster implements AutoCloseable {
  /** Short, so that tests are. */
  private static final String LEASE = "2s";

  private static final Duration START_TIMEOUT = Duration.ofMinutes(2);
  private static final long WAIT_SECONDS = 120;

  private final Path folder;
  private final String databaseUrl;
  private final List<JavaProcess> coordinators = new ArrayList<>();
  private final List<ManagedChannel> channels = new ArrayList<>();
  private final List<JavaProcess> workers = new ArrayList<>();
  private final LongtakeClient client;

  private FailoverCluster(Path folder, String databaseUrl) {
    this.folder = folder;
    this.databaseUrl = databaseUrl;
    for (String name : List.of("c1", "c2")) {
      JavaProcess coordinator = startCoordinator(name);
      coordinators.add(coordinator);
      channels.add(Endpoints.connect(coordinator.address()));
    }
    this.client =
        LongtakeClient.builder()
            .addresses(coordinators.stream().map(JavaProcess::address).toList())
            .build();
  }

  /**
   * Starts all of them, and returns when the workers have joined.
   *
   * @param folder for logs and data
   */
  static FailoverCluster start(Path folder, String databaseUrl) {
    var cluster = new FailoverCluster(folder, databaseUrl);
    boolean isStarted = false;
    try {
      for (String id : List.of("w1", "w2")) {
        cluster.workers.add(cluster.startWorker(id));
      }
      isStarted = true;
      return cluster;
    } finally {
      if (!isStarted) {
        cluster.close();
      }
    }
  }

  private JavaProcess startCoordinator(String name) {
    return JavaProcess.start(
        "coordinator " + name,
        LocalCluster.Programs.LONGTAKE.coordinatorMain(),
        List.of(
            "--port",
            "0",
            "--data",
            folder.resolve("data").toString(),
            "--database",
            databaseUrl,
            "--lease",
            LEASE),
        ServerFlags.coordinator(folder),
        log(name),
        START_TIMEOUT);
  }

  private JavaProcess startWorker(String id) {
    return JavaProcess.start(
        "worker " + id,
        LocalCluster.Programs.LONGTAKE.workerMain(),
        List.of(
            "--coordinator",
            client.address(),
            "--model",
            TestModels.DEMO.toString(),
            "--id",
            id,
            "--threads",
            "1"),
        ServerFlags.worker(folder),
        log(id),
        START_TIMEOUT);
  }

  private Path log(String name) {
    return folder.resolve(name + ".log");
  }

  /** What a process has logged until now. */
  String logged(String name) throws IOException {
    return Files.readString(log(name));
  }

  LongtakeClient client() {
    return client;
  }

  /** {@code c1} is at 0. */
  JavaProcess coordinator(int index) {
    return coordinators.get(index);
  }

  /** Sends a coordinator a signal, by its name without SIG. */
  void signal(int coordinator, String signal) throws IOException, InterruptedException {
    long pid = coordinators.get(coordinator).handle().pid();
    assertThat(new ProcessBuilder("kill", "-" + signal, Long.toString(pid)).start().waitFor())
        .isZero();
  }

  /** Submits and waits for the end. */
  Job generate(GenerationRequest request) {
    return client.watch(client.submit(request).getId(), event -> {});
  }

  /**
   * What a coordinator says of a service.
   *
   * @param service the empty name: of all
   */
  ServingStatus health(int coordinator, String service) {
    return stub(coordinator).check(request(service)).getStatus();
  }

  /** Waits until a coordinator says so of all its services. */
  void awaitHealth(int coordinator, ServingStatus wanted) {
    Iterator<HealthCheckResponse> changes = stub(coordinator).watch(request(""));
    ServingStatus status = changes.next().getStatus();
    while (status != wanted) {
      status = changes.next().getStatus();
    }
  }

  private HealthGrpc.HealthBlockingStub stub(int coordinator) {
    return HealthGrpc.newBlockingStub(channels.get(coordinator))
        .withWaitForReady()
        .withDeadlineAfter(WAIT_SECONDS, TimeUnit.SECONDS);
  }

  private static HealthCheckRequest request(String service) {
    return HealthCheckRequest.newBuilder().setService(service).build();
  }

  @Override
  public void close() {
    client.close();
    channels.forEach(ManagedChannel::shutdownNow);
    workers.forEach(JavaProcess::close);
    coordinators.forEach(JavaProcess::close);
  }
}
