package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/** A real Prometheus with the files of {@code ops/prometheus}, but for shorter intervals. */
final class PrometheusServer implements AutoCloseable {
  static final Path FILES = TestModels.ROOT.resolve("ops/prometheus");

  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

  private final Process process;
  private final String address;
  private final Path log;
  private final HttpClient client = HttpClient.newHttpClient();

  private PrometheusServer(Process process, String address, Path log) {
    this.process = process;
    this.address = address;
    this.log = log;
  }

  /** A value of a query's result, with its labels. */
  record Sample(Map<String, String> labels, double value) {}

  /** Whether this machine has it, as Debian's package {@code prometheus} installs it. */
  static boolean isInstalled() {
    return run("prometheus", "--version").status == 0 && run("promtool", "--version").status == 0;
  }

  /** How a program ended, and what it printed. */
  record Ended(int status, String output) {}

  /** Runs a program to its end, in the folder of the files. */
  static Ended run(String... command) {
    try {
      Process program =
          new ProcessBuilder(command).directory(FILES.toFile()).redirectErrorStream(true).start();
      program.getOutputStream().close();
      String output = new String(program.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertThat(program.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).as(output).isTrue();
      return new Ended(program.exitValue(), output);
    } catch (IOException e) {
      return new Ended(-1, e.toString());
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /**
   * Starts it, and returns when it answers.
   *
   * @param folder for its data
   * @param metrics of the coordinator, {@code host:port}
   */
  static PrometheusServer start(Path folder, String metrics) throws IOException {
    for (String file : List.of("recording.yml", "alerts.yml", "prometheus.yml")) {
      String text = Files.readString(FILES.resolve(file));
      String quick =
          text.replaceAll("(scrape_interval|evaluation_interval|refresh_interval): \\S+", "$1: 1s")
              .replaceAll("scrape_timeout: \\S+", "scrape_timeout: 1s")
              .replaceAll("( +)for: \\S+", "$1for: 0s")
              .replace("127.0.0.1:7490", metrics);
      Files.writeString(folder.resolve(file), quick);
    }
    String address = "127.0.0.1:" + freePort();
    Path log = folder.resolve("prometheus.log");
    Process process =
        new ProcessBuilder(
                "prometheus",
                "--config.file=" + folder.resolve("prometheus.yml"),
                "--storage.tsdb.path=" + folder.resolve("prometheus"),
                "--web.listen-address=" + address)
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    var server = new PrometheusServer(process, address, log);
    boolean isReady = false;
    try {
      await(() -> "an answer of Prometheus", server::isReady);
      isReady = true;
      return server;
    } finally {
      if (!isReady) {
        server.close();
      }
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  /** Waits for something, asking now and then. */
  static void await(Supplier<String> what, BooleanSupplier happened) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (!happened.getAsBoolean()) {
      assertThat(System.nanoTime() - deadline)
          .as(() -> "%s within %d s".formatted(what.get(), PATIENCE.toSeconds()))
          .isNegative();
      LockSupport.parkNanos(POLL_NANOS);
    }
  }

  private boolean isReady() {
    assertThat(process.isAlive()).as("Prometheus; see %s", log).isTrue();
    try {
      return get("/-/ready").statusCode() == 200;
    } catch (UncheckedIOException e) {
      return false;
    }
  }

  private HttpResponse<String> get(String path) {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create("http://" + address + path)).timeout(PATIENCE).build();
    try {
      return client.send(request, HttpResponse.BodyHandlers.ofString());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** What a query gives now; values that are no numbers are left out. */
  List<Sample> query(String expression) {
    HttpResponse<String> answer =
        get("/api/v1/query?query=" + URLEncoder.encode(expression, StandardCharsets.UTF_8));
    assertThat(answer.statusCode()).as("%s: %s", expression, answer.body()).isEqualTo(200);
    JsonObject data =
        JsonParser.parseString(answer.body()).getAsJsonObject().getAsJsonObject("data");
    assertThat(data.get("resultType").getAsString()).isEqualTo("vector");
    List<Sample> samples = new ArrayList<>();
    for (JsonElement result : data.getAsJsonArray("result")) {
      JsonArray value = result.getAsJsonObject().getAsJsonArray("value");
      String number = value.get(1).getAsString();
      if (!number.equals("NaN") && !number.contains("Inf")) {
        Map<String, String> labels =
            result.getAsJsonObject().getAsJsonObject("metric").entrySet().stream()
                .collect(
                    Collectors.toMap(Map.Entry::getKey, label -> label.getValue().getAsString()));
        samples.add(new Sample(labels, Double.parseDouble(number)));
      }
    }
    return samples;
  }

  /** Waits until a query gives something; a filter in it says what. */
  void awaitSome(String expression) {
    await(() -> "a value of " + expression, () -> !query(expression).isEmpty());
  }

  /** Waits until an alert fires. */
  void awaitAlert(String name, String labels) {
    awaitSome("ALERTS{alertname=\"%s\",alertstate=\"firing\"%s}".formatted(name, labels));
  }

  /** Kills it. */
  @Override
  public void close() {
    process.destroyForcibly();
    try {
      assertThat(process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
