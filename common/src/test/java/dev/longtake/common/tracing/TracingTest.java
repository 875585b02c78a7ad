package dev.longtake.common.tracing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.metrics.TelemetryOptions;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.ops.testing.CollectedSpan;
import dev.longtake.ops.testing.SpanCollector;
import dev.longtake.v1.DescribeRequest;
import dev.longtake.v1.EncodeTextRequest;
import dev.longtake.v1.EncodeTextResponse;
import dev.longtake.v1.WorkerDescription;
import dev.longtake.v1.WorkerGrpc;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.stub.StreamObserver;
import io.micrometer.observation.Observation;
import java.net.URI;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

class TracingTest {
  private static final String JOB = "j-0001";

  private final SpanCollector collector = new SpanCollector();

  @AfterEach
  void close() {
    collector.close();
  }

  private Tracing tracing(String service) {
    return Tracing.exporting(URI.create(collector.endpoint() + "/v1/traces"), service);
  }

  private CollectedSpan span(String name) {
    List<CollectedSpan> found =
        collector.spans().stream().filter(span -> span.name().equals(name)).toList();
    assertThat(found).as("%s among %s", name, collector.spans()).hasSize(1);
    return found.getFirst();
  }

  @Test
  void shouldPutAttemptsOfSeveralCoordinatorsBelowTheRootThatTheLastOneTells() {
    Instant submitted = Instant.parse("2026-01-01T00:00:00.5Z");
    try (Tracing killed = tracing("first")) {
      assertThatThrownBy(() ->
              killed
                  .ofJob("attempt 1", JOB)
                  .observe(() -> {
                    throw new IllegalStateException("lost");
                  }))
          .hasMessage("lost");
    }
    try (Tracing last = tracing("second")) {
      last.ofJob("attempt 2", JOB).observe(() -> {});
      last.jobEnded(JOB, "failed", submitted, submitted.plusSeconds(60), "no more workers");
    }

    CollectedSpan root = span("job");
    assertThat(root.parentId()).isEmpty();
    assertThat(root.attributes()).containsEntry(Tracing.STATE, "failed");
    assertThat(root.isError()).isTrue();
    assertThat(root.endUnixNanos() - root.startUnixNanos()).isEqualTo(60_000_000_000L);
    assertThat(span("attempt 1").isError()).isTrue();
    assertThat(span("attempt 2").isError()).isFalse();
    assertThat(List.of(span("attempt 1"), span("attempt 2")))
        .allSatisfy(attempt -> {
          assertThat(attempt.parentId()).isEqualTo(root.id());
          assertThat(attempt.traceId()).isEqualTo(root.traceId());
          assertThat(attempt.id()).isNotEqualTo(root.id());
          assertThat(attempt.attributes()).containsEntry(Tracing.JOB_ID, JOB);
        });
    assertThat(root.traceId())
        .isEqualTo(JobTrace.of(JOB).traceId())
        .isNotEqualTo(JobTrace.of("j-0002").traceId());
  }

  @Test
  void shouldTellTheOtherSideOfACallWhoseTraceItIsPartOf() throws Exception {
    try (Tracing here = tracing("coordinator");
        Tracing there = tracing("worker");
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Server server =
          Endpoints.serve(
              "127.0.0.1",
              0,
              threads,
              new HealthStatusManager(),
              List.of(new Encoder(there)),
              null,
              List.of(there.serverInterceptor().orElseThrow()));
      ManagedChannel channel = Endpoints.connect("127.0.0.1:" + server.getPort());
      try {
        var calls =
            WorkerGrpc.newBlockingStub(
                ClientInterceptors.intercept(channel, here.clientInterceptor()));
        // Not part of anything, or not of a job: no spans.
        calls.encodeText(EncodeTextRequest.getDefaultInstance());
        here.ofJob("attempt 1", JOB)
            .observe(() -> {
              calls.encodeText(EncodeTextRequest.getDefaultInstance());
              calls.describe(DescribeRequest.getDefaultInstance());
            });
      } finally {
        channel.shutdownNow().awaitTermination(10, TimeUnit.SECONDS);
        server.shutdownNow().awaitTermination(10, TimeUnit.SECONDS);
      }
    }

    List<CollectedSpan> calls =
        collector.spans().stream()
            .filter(span -> span.name().equals("longtake.v1.Worker/EncodeText"))
            .filter(span -> span.traceId().equals(JobTrace.of(JOB).traceId()))
            .toList();
    assertThat(calls)
        .extracting(CollectedSpan::service)
        .containsExactlyInAnyOrder("coordinator", "worker");
    boolean isClientFirst = calls.getFirst().service().equals("coordinator");
    CollectedSpan client = calls.get(isClientFirst ? 0 : 1);
    CollectedSpan server = calls.get(isClientFirst ? 1 : 0);
    assertThat(server.parentId()).isEqualTo(client.id());
    assertThat(client.parentId()).isEqualTo(span("attempt 1").id());
    assertThat(collector.spans())
        .filteredOn(span -> span.name().equals("inside") && span.traceId().equals(server.traceId()))
        .extracting(CollectedSpan::parentId)
        .containsExactly(server.id());
    assertThat(server.attributes()).containsEntry("noted", "yes");
    assertThat(collector.spans())
        .filteredOn(span -> span.service().equals("worker"))
        .noneMatch(span -> span.name().contains("Describe"));
    assertThat(collector.spans())
        .filteredOn(span -> span.service().equals("coordinator"))
        .allMatch(span -> span.traceId().equals(server.traceId()));
  }

  /** Observes what it does where the caller does, too. */
  private static final class Encoder extends WorkerGrpc.WorkerImplBase {
    private final Tracing tracing;

    Encoder(Tracing tracing) {
      this.tracing = tracing;
    }

    @Override
    public void encodeText(EncodeTextRequest request, StreamObserver<EncodeTextResponse> response) {
      Tracing.tag("noted", "yes");
      Observation.createNotStarted("inside", tracing.observations()).observe(() -> {});
      response.onNext(EncodeTextResponse.getDefaultInstance());
      response.onCompleted();
    }

    @Override
    public void describe(DescribeRequest request, StreamObserver<WorkerDescription> response) {
      response.onNext(WorkerDescription.getDefaultInstance());
      response.onCompleted();
    }
  }

  @Test
  void shouldObserveNothingWhenOff() {
    try (Tracing off = Tracing.off()) {
      Observation observation = off.ofJob("attempt 1", JOB);
      assertThat(observation.isNoop()).isTrue();
      off.jobEnded(JOB, "done", Instant.EPOCH, Instant.EPOCH, null);
      assertThat(off.serverInterceptor()).isEmpty();
    }
    assertThat(collector.spans()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"127.0.0.1:4318", "ftp://host/", "http://", "http://a b", "http://h/?x=1"})
  void shouldSayWhatIsExpectedWhenTheEndpointIsNone(String endpoint) {
    assertThatThrownBy(() -> options("--otlp-endpoint", endpoint).open("longtake-worker"))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining(
            "Expected --otlp-endpoint to be the address of a collector, such as http://127.0.0.1:4318, but got '%s'"
                .formatted(endpoint));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "/", "/v1/traces"})
  void shouldFindTheCollectorWhateverItsAddressEndsWith(String end) {
    try (var telemetry = options("--otlp-endpoint", collector.endpoint() + end).open("one")) {
      telemetry.tracing().ofJob("attempt 1", JOB).observe(() -> {});
    }
    assertThat(span("attempt 1").service()).isEqualTo("one");
  }

  private static TelemetryOptions options(String... arguments) {
    TelemetryOptions options = new TelemetryOptions();
    new CommandLine(new Holder(options)).parseArgs(arguments);
    return options;
  }

  @CommandLine.Command
  private record Holder(@CommandLine.Mixin TelemetryOptions options) {}
}
