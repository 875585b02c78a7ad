package dev.longtake.worker;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.partition.Grain;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.v1.EncodeFramesResponse;
import dev.longtake.v1.ModelCard;
import dev.longtake.worker.device.DeviceChoice;
import dev.longtake.worker.service.WorkerNode;
import io.grpc.protobuf.services.HealthStatusManager;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

final class WorkerCommandTest {
  private static final long HOST_BYTES = 1L << 32;

  @TempDir Path model;

  private final StringWriter errors = new StringWriter();
  private final AtomicInteger freed = new AtomicInteger();
  private final AtomicLong memoryBytes = new AtomicLong();
  private final AtomicLong cacheBytes = new AtomicLong();
  private @Nullable DeviceChoice device;
  private boolean refuses;

  private int run(String... arguments) {
    WorkerFactory factory =
        (folder, settings) -> {
          Long limit = settings.memoryLimitBytes();
          memoryBytes.set(limit == null ? HOST_BYTES : limit);
          cacheBytes.set(settings.texts(memoryBytes.get()).limitBytes());
          device = settings.device();
          if (refuses) {
            throw new LongtakeException(ErrorCode.INVALID_MODEL, "Expected another model");
          }
          return new WorkerNode(
              ModelCard.getDefaultInstance(),
              "cpu",
              "",
              "",
              1,
              Grain.WHOLE,
              1,
              (order, exchange, events, canceled) -> {},
              null,
              request -> EncodeFramesResponse.getDefaultInstance(),
              freed::incrementAndGet);
        };
    return new CommandLine(new WorkerCommand(_ -> factory))
        .setErr(new PrintWriter(errors))
        .execute(arguments);
  }

  private String oneLine() {
    assertThat(errors.toString().lines()).hasSize(1);
    return errors.toString();
  }

  @Test
  void shouldExitWithUsageWhenModelFolderIsMissing() {
    assertThat(run("--model", model.resolve("nowhere").toString())).isEqualTo(2);
    assertThat(oneLine()).contains("nowhere").contains("--model");
  }

  @Test
  void shouldExitWithUsageWhenCoordinatorIsNoAddress() {
    assertThat(run("--model", model.toString(), "--coordinator", "nowhere")).isEqualTo(2);
    assertThat(oneLine()).contains("host:port").contains("'nowhere'");
  }

  @Test
  void shouldExitWithUsageWhenTlsOptionsAreIncompleteOrNameNothing() {
    assertThat(run("--model", model.toString(), "--tls-cert", "worker.crt")).isEqualTo(2);
    assertThat(oneLine()).contains("all of --tls-cert, --tls-key and --tls-ca");
    errors.getBuffer().setLength(0);
    String nowhere = model.resolve("nowhere.pem").toString();
    assertThat(
            run(
                "--model",
                model.toString(),
                "--tls-cert",
                nowhere,
                "--tls-key",
                nowhere,
                "--tls-ca",
                nowhere))
        .isEqualTo(2);
    assertThat(oneLine()).contains("--tls-cert to name a file").contains("no '" + nowhere + "'");
  }

  @Test
  void shouldExitWithUsageWhenNumbersAreOutOfRange() {
    for (String[] wrong :
        new String[][] {
          {"--threads", "0"},
          {"--port", "65536"},
          {"--chunk-bytes", "64M"},
          {"--chunk-bytes", "9999T"},
          {"--memory-limit", "0"},
          {"--condition-cache", "9999T"},
          {"--condition-cache-expiry", "0"},
          {"--memory-limit", "much"},
          {"--exchange-timeout", "-1"},
          {"--host", "0.0.0.0"},
          {"--api-key-file", "/nowhere/key"},
        }) {
      errors.getBuffer().setLength(0);
      assertThat(run("--model", model.toString(), wrong[0], wrong[1]))
          .as(String.join(" ", wrong))
          .isEqualTo(2);
      assertThat(errors.toString()).as(String.join(" ", wrong)).contains("Expected");
    }
  }

  @Test
  void shouldFreeModelAndSayWhatToDoWhenNoCoordinatorAnswers() {
    int status =
        run(
            "--model",
            model.toString(),
            "--memory-limit",
            "2M",
            "--coordinator",
            "127.0.0.1:1",
            "--join-timeout",
            "1");
    assertThat(status).isEqualTo(2);
    assertThat(oneLine())
        .contains("Expected a coordinator at 127.0.0.1:1, but nothing answered within 1.0 s");
    assertThat(freed).hasValue(1);
    assertThat(memoryBytes).hasValue(2 << 20);
    assertThat(cacheBytes).hasValue((2 << 20) / 8);
  }

  @Test
  void shouldExitWithUsageWhenTheConditionCacheIsLargerThanTheMemory() {
    assertThat(run("--model", model.toString(), "--memory-limit", "2M", "--condition-cache", "3M"))
        .isEqualTo(2);
    assertThat(oneLine())
        .contains("within the device's memory of 2097152 bytes, but got 3145728")
        .contains("--condition-cache smaller");
  }

  @Test
  void shouldOpenTheDeviceThatIsNamed() {
    refuses = true;
    String uuid = "e0e0e0e0-1234-1234-1234-0123456789ab";
    for (var form :
        Map.of(
                "cpu",
                new DeviceChoice.Cpu(),
                "cuda",
                new DeviceChoice.CudaIndex(0),
                "CUDA:7",
                new DeviceChoice.CudaIndex(7),
                "cuda:" + uuid,
                new DeviceChoice.CudaUuid(uuid),
                "cuda:GPU-" + uuid.toUpperCase(Locale.ROOT),
                new DeviceChoice.CudaUuid(uuid))
            .entrySet()) {
      assertThat(run("--model", model.toString(), "--device", form.getKey()))
          .as(form.getKey())
          .isEqualTo(2);
      assertThat(device).as(form.getKey()).isEqualTo(form.getValue());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpu", "cuda:", "cuda:-1", "cuda:GPU-12", "cpu:0", ""})
  void shouldExitWithUsageWhenTheDeviceIsNone(String wrong) {
    assertThat(run("--model", model.toString(), "--device", wrong)).isEqualTo(2);
    assertThat(oneLine())
        .contains("Expected --device to be cpu, cuda, cuda:INDEX or cuda:UUID")
        .contains("'" + wrong + "'");
    assertThat(device).isNull();
  }

  @Test
  void shouldFreeModelAndNamePortWhenItIsTaken() throws Exception {
    try (var callbacks = Executors.newSingleThreadExecutor()) {
      var other = Endpoints.serve("127.0.0.1", 0, callbacks, new HealthStatusManager(), List.of());
      String port = String.valueOf(other.getPort());
      assertThat(run("--model", model.toString(), "--port", port)).isEqualTo(2);
      assertThat(oneLine()).contains(port).contains("--port");
      assertThat(freed).hasValue(1);
      other.shutdownNow().awaitTermination();
    }
  }

  @Test
  void shouldExitWithFailureWhenDeviceHasTooLittleMemory() {
    int status =
        new CommandLine(
                new WorkerCommand(_ ->
                    (_, _) -> {
                      throw new LongtakeException(
                          ErrorCode.OUT_OF_MEMORY, "Expected 8 GiB, but 2 are free");
                    }))
            .setErr(new PrintWriter(errors))
            .execute("--model", model.toString());
    assertThat(status).isEqualTo(1);
    assertThat(oneLine())
        .isEqualTo("longtake worker: Expected 8 GiB, but 2 are free" + System.lineSeparator());
  }
}
