package dev.longtake.ops.launcher.doctor;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonParser;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.tls.CertsCommand;
import dev.longtake.common.tls.TlsIdentity;
import dev.longtake.coordinator.Coordinator;
import dev.longtake.coordinator.CoordinatorConfig;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.LinkTimes;
import dev.longtake.v1.WorkerDescription;
import dev.longtake.v1.WorkerStatus;
import io.grpc.Server;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.protobuf.services.HealthStatusManager;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Faults are planted on this host, and found. */
final class DoctorTest {
  private static final Path DEMO =
      Path.of(System.getProperty("longtake.root", "../..")).resolve("ops/demo-model");

  @TempDir Path folder;

  private record Result(int status, String out, String err) {
    /** The line of a check, and the one below. */
    String of(String check) {
      List<String> lines = out.lines().toList();
      for (int i = 0; i < lines.size(); i++) {
        if (lines.get(i).matches("\\w+ +" + check + " .*")) {
          return lines.get(i) + "\n" + lines.get(Math.min(i + 1, lines.size() - 1));
        }
      }
      throw new AssertionError("no %s in %s".formatted(check, out));
    }

    void assertFailed(String check, String... words) {
      assertThat(status).as(out).isEqualTo(1);
      assertThat(of(check)).startsWith("failed ").contains(words).contains("-> ");
    }
  }

  private static Result run(Object command, String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine line =
        new CommandLine(command).setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
    line.setExecutionExceptionHandler((failure, _, _) -> {
      line.getErr().println(failure.getMessage());
      return 2;
    });
    int status = line.execute(arguments);
    return new Result(status, out.toString(), err.toString());
  }

  private static Result doctor(String... arguments) {
    return run(new DoctorCommand(), arguments);
  }

  private static Result worker(String... options) {
    List<String> arguments = new ArrayList<>(List.of("--role", "worker", "--"));
    arguments.addAll(List.of(options));
    return doctor(arguments.toArray(String[]::new));
  }

  private Result coordinator(String... options) {
    List<String> arguments = new ArrayList<>(List.of("--role", "coordinator", "--"));
    arguments.addAll(List.of("--data", folder.resolve("data").toString()));
    arguments.addAll(List.of(options));
    return doctor(arguments.toArray(String[]::new));
  }

  /** Certificates for a host, of an authority of their own; returns the options that name them. */
  private String[] certificates(String name, String host) {
    Path pki = folder.resolve(name);
    assertThat(run(new CertsCommand(), pki.toString(), "--host", host, "--days", "60").status)
        .isZero();
    return new String[] {
      "--tls-cert", pki.resolve(host + ".crt").toString(),
      "--tls-key", pki.resolve(host + ".key").toString(),
      "--tls-ca", pki.resolve("ca.crt").toString()
    };
  }

  private static String[] join(String[] first, String... second) {
    return Stream.of(first, second).flatMap(Stream::of).toArray(String[]::new);
  }

  @Test
  void shouldFindNothingWrongWhenHostAndClusterAreHealthy() {
    try (Coordinator running =
        Coordinator.start(CoordinatorConfig.of("127.0.0.1", 0, folder.resolve("cluster")))) {
      Result asWorker = worker("--model", DEMO.toString(), "--coordinator", running.address());

      assertThat(asWorker.status).as(asWorker.out).isZero();
      for (String check : List.of("java", "model", "port", "coordinator", "build", "clock")) {
        assertThat(asWorker.of(check)).startsWith("ok ");
      }
      assertThat(asWorker.of("links")).startsWith("skipped ");
      assertThat(asWorker.of("certificate")).startsWith("skipped ");

      Result asCoordinator =
          coordinator(join(certificates("pki", "node1"), "--port", "0", "--advertise", "node1"));
      assertThat(asCoordinator.status).as(asCoordinator.out).isZero();
      assertThat(asCoordinator.of("data folder")).matches("(?s)(ok|warning) .*to be made.*");
      assertThat(asCoordinator.of("certificate")).startsWith("ok ").contains("node1");
    }
  }

  @Test
  void shouldFindAllOfThemWhenSeveralFaultsArePlanted() throws IOException {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      String port = Integer.toString(taken.getLocalPort());
      String[] options = join(certificates("pki", "node1"), "--advertise", "node2");

      Result result =
          doctor(
              join(
                  new String[] {"--role", "coordinator", "--"},
                  join(options, "--port", port, "--http-port", port, "--data", "/proc/longtake")));

      assertThat(result.of("port"))
          .contains(
              "%s of 127.0.0.1 is used by process %d"
                  .formatted(port, ProcessHandle.current().pid()));
      assertThat(result.of("http-port")).contains("%s of 127.0.0.1 is used by".formatted(port));
      result.assertFailed("data folder", "/proc can't be written");
      result.assertFailed("certificate", "is good for node1", "others call this process 'node2'");
    }
  }

  @Test
  void shouldFindThePortWhenAnotherProgramHasIt() throws IOException {
    PortOwner other = new PortOwner(17, "nginx: master process");

    assertThat(PortCheck.taken(Role.WORKER, "port", "0.0.0.0", 80, other))
        .isEqualTo(
            Finding.failed(
                "port",
                "80 of 0.0.0.0 is used by process 17 (nginx: master process)",
                "end that program, or choose another --port"));
    assertThat(
            PortCheck.taken(
                    Role.WORKER, "port", "::", 7401, new PortOwner(9, "java longtake.jar worker"))
                .outcome())
        .isEqualTo(Finding.Outcome.WARNING);
    worker("--host", "192.0.2.1", "--port", "7401")
        .assertFailed("port", "192.0.2.1 is not an address of this host");
  }

  @Test
  void shouldFindTheModelWhenItLacksSomething() throws IOException {
    Path model = folder.resolve("model");
    for (Path file : files(DEMO)) {
      Path copy = model.resolve(DEMO.relativize(file).toString());
      Files.createDirectories(copy.getParent());
      Files.copy(file, copy);
    }
    Path weights = model.resolve("dit/model.safetensors");
    byte[] bytes = Files.readAllBytes(weights);
    Files.write(weights, java.util.Arrays.copyOf(bytes, bytes.length / 2));

    worker("--model", model.toString()).assertFailed("model", "model.safetensors", "inspect");
    Files.delete(model.resolve("text_encoder/tokenizer.json"));
    worker("--model", model.toString()).assertFailed("model", "tokenizer.json");
    worker("--model", folder.resolve("none").toString()).assertFailed("model", "there is nothing");
  }

  private static List<Path> files(Path root) throws IOException {
    try (Stream<Path> files = Files.walk(root)) {
      return files.filter(Files::isRegularFile).toList();
    }
  }

  @Test
  void shouldFindTheCertificateWhenOthersWouldRefuseIt() {
    String[] good = certificates("good", "localhost");
    String[] other = certificates("other", "localhost");

    String certificate = good[1];
    worker("--tls-cert", certificate, "--tls-key", other[3], "--tls-ca", good[5])
        .assertFailed("certificate", "Expected --tls-key");
    worker("--tls-cert", certificate, "--tls-key", good[3], "--tls-ca", other[5])
        .assertFailed("certificate", "is signed by none of --tls-ca");
    worker("--tls-cert", certificate).assertFailed("certificate", "only some are given");
    RoleOptions options = RoleOptions.read(Role.WORKER, null, List.of(good));
    Instant now = Instant.now();
    assertThat(CertificateCheck.of(options, InstantSource.fixed(now)).outcome())
        .isEqualTo(Finding.Outcome.OK);
    Finding late = CertificateCheck.of(options, InstantSource.fixed(now.plus(Duration.ofDays(50))));
    assertThat(late.outcome()).isEqualTo(Finding.Outcome.WARNING);
  }

  @Test
  void shouldJudgeTheDiskByWhatIsFree() {
    assertThat(FolderCheck.space("/data", FolderCheck.LEAST_BYTES - 1).outcome())
        .isEqualTo(Finding.Outcome.FAILED);
    assertThat(FolderCheck.space("/data", FolderCheck.LEAST_BYTES).outcome())
        .isEqualTo(Finding.Outcome.WARNING);
    assertThat(FolderCheck.space("/data", 1L << 40))
        .isEqualTo(Finding.ok("data folder", "/data, 1.0 TiB free"));
  }

  @Test
  void shouldFindTheDatabaseWhenNothingAnswersThere() throws IOException {
    int port;
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    coordinator(
            "--database", "jdbc:postgresql://127.0.0.1:%d/longtake?password=secret".formatted(port))
        .assertFailed("database", "no connection");
  }

  @Test
  void shouldFindTheCoordinatorWhenItIsNotThere() throws IOException {
    int port;
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    worker("--coordinator", "127.0.0.1:" + port).assertFailed("coordinator", "127.0.0.1:" + port);
  }

  @Test
  void shouldWarnOfTheLinkWhenItIsFarSlowerThanOthersOfItsKind() {
    ClusterStatus.Builder status = ClusterStatus.newBuilder();
    for (String worker : List.of("a", "b", "c", "d")) {
      status.addWorkers(
          WorkerStatus.newBuilder()
              .setDescription(
                  WorkerDescription.newBuilder()
                      .setId(worker)
                      .setHost(worker.compareTo("c") < 0 ? "host1" : "host2")));
    }
    // Within a host is faster, which is no fault of the network between.
    status
        .addLinks(link("a", "b", 20e9))
        .addLinks(link("a", "c", 2e9))
        .addLinks(link("b", "c", 2.2e9));
    assertThat(ClusterChecks.links(status.build()).outcome()).isEqualTo(Finding.Outcome.OK);
    status.addLinks(link("b", "d", 0.4e9));

    Finding found = ClusterChecks.links(status.build());

    assertThat(found.outcome()).isEqualTo(Finding.Outcome.WARNING);
    assertThat(found.found()).isEqualTo("b to d carries 0.40 GB/s, where 2.00 GB/s are usual");
  }

  private static LinkTimes link(String from, String to, double bytesPerSecond) {
    return LinkTimes.newBuilder()
        .setFromWorker(from)
        .setToWorker(to)
        .setBytesPerSecond(bytesPerSecond)
        .build();
  }

  @Test
  void shouldWarnOfTheClockWhenItIsFurtherOffThanTheCallTook() {
    Instant asked = Instant.parse("2026-01-01T00:00:00Z");
    Duration took = Duration.ofSeconds(2);

    assertThat(ClusterChecks.clock(asked.plusMillis(2200), asked, took).outcome())
        .isEqualTo(Finding.Outcome.OK);
    assertThat(ClusterChecks.clock(asked.plusMillis(2300), asked, took).outcome())
        .isEqualTo(Finding.Outcome.WARNING);
  }

  @Test
  void shouldReadTheRolesFileWhenOneIsGiven() throws IOException {
    Path file =
        Files.writeString(
            folder.resolve("worker.yaml"), "model: %s\nhost: 192.0.2.1\nport: 1\n".formatted(DEMO));

    Result result = doctor("--role", "worker", "--config", file.toString());

    result.assertFailed("port", "192.0.2.1");
    assertThat(result.of("model")).startsWith("ok ");
    assertThat(doctor("--config", file.toString()).status).isEqualTo(2);
    Result wrong = doctor("--role", "coordinator", "--config", file.toString());
    assertThat(wrong.status).isEqualTo(2);
    assertThat(wrong.err).contains("worker.yaml, line 1", "got the key 'model'");
  }

  @Test
  void shouldPrintJsonWhenAsked() {
    Result result = doctor("--role", "worker", "--json", "--", "--device", "cuda:x");

    assertThat(result.status).isEqualTo(1);
    assertThat(JsonParser.parseString(result.out).getAsJsonArray())
        .anySatisfy(finding -> {
          assertThat(finding.getAsJsonObject().get("check").getAsString()).isEqualTo("gpu");
          assertThat(finding.getAsJsonObject().get("outcome").getAsString()).isEqualTo("failed");
          assertThat(finding.getAsJsonObject().get("advice").getAsString()).isNotEmpty();
        });
  }

  @Test
  void shouldAskForTheHealthOfARoleWhenAProbeCantSpeakTls() throws InterruptedException {
    String[] tls = certificates("pki", "localhost");
    RoleOptions files = RoleOptions.read(Role.WORKER, null, List.of(tls));
    HealthStatusManager health = new HealthStatusManager();
    health.setStatus("a", ServingStatus.SERVING);
    health.setStatus("b", ServingStatus.NOT_SERVING);
    try (ExecutorService calls = Executors.newVirtualThreadPerTaskExecutor()) {
      Server server =
          Endpoints.serve(
              "127.0.0.1",
              0,
              calls,
              health,
              List.of(),
              TlsIdentity.read(Objects.requireNonNull(files.tls())));
      String[] options = join(tls, "--port", Integer.toString(server.getPort()));

      assertThat(health("a", options)).isEqualTo(new Result(0, "SERVING\n", ""));
      assertThat(health("b", options)).isEqualTo(new Result(1, "NOT_SERVING\n", ""));
      assertThat(health("c", options).status).isEqualTo(1);
      // It does not speak plain text.
      assertThat(health("a", "--port", Integer.toString(server.getPort())).status).isEqualTo(1);
      server.shutdownNow();
      assertThat(server.awaitTermination(10, TimeUnit.SECONDS)).isTrue();
      assertThat(health("a", options).status).isEqualTo(1);
    }
  }

  private static Result health(String service, String... options) {
    return run(
        new HealthCommand(),
        join(new String[] {"--role", "worker", "--service", service, "--"}, options));
  }
}
