package dev.longtake.common.tracing;

import dev.longtake.common.process.Build;
import io.grpc.ClientInterceptor;
import io.grpc.ServerInterceptor;
import io.micrometer.core.instrument.binder.grpc.GrpcServerObservationContext;
import io.micrometer.core.instrument.binder.grpc.ObservationGrpcClientInterceptor;
import io.micrometer.core.instrument.binder.grpc.ObservationGrpcServerInterceptor;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler.FirstMatchingCompositeObservationHandler;
import io.micrometer.observation.ObservationRegistry;
import io.micrometer.observation.transport.Kind;
import io.micrometer.observation.transport.ReceiverContext;
import io.micrometer.tracing.handler.DefaultTracingObservationHandler;
import io.micrometer.tracing.handler.PropagatingReceiverTracingObservationHandler;
import io.micrometer.tracing.handler.PropagatingSenderTracingObservationHandler;
import io.micrometer.tracing.otel.bridge.OtelCurrentTraceContext;
import io.micrometer.tracing.otel.bridge.OtelPropagator;
import io.micrometer.tracing.otel.bridge.OtelTracer;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanBuilder;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The spans of a process: of what it observes, and of the calls that belong to a job, whose context travels in their headers. Spans wait
 * in a bounded queue for the collector, and are dropped when that is full; nothing waits for it. Thread-safe.
 */
public final class Tracing implements AutoCloseable {
  /** Attributes of spans; names of observations. */
  public static final String JOB_ID = "longtake.job.id";

  public static final String ATTEMPT = "longtake.attempt";
  public static final String SEGMENT = "longtake.segment";
  public static final String RANK = "longtake.rank";
  public static final String WORKER_ID = "longtake.worker.id";
  public static final String STATE = "longtake.job.state";

  private static final Duration EXPORT_TIMEOUT = Duration.ofSeconds(10);
  private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(5);

  /** Others are polled, last as long as a membership, or carry activations. */
  private static final Set<String> TRACED_CALLS =
      Set.of(
          "longtake.v1.Generation/Submit",
          "longtake.v1.Worker/Run",
          "longtake.v1.Worker/EncodeText",
          "longtake.v1.Worker/EncodeFrames");

  private final ObservationRegistry observations;
  private final @Nullable Exporting exporting;

  private record Exporting(SdkTracerProvider provider, Tracer tracer, RootIds ids) {}

  private Tracing(ObservationRegistry observations, @Nullable Exporting exporting) {
    this.observations = observations;
    this.exporting = exporting;
  }

  /** Nothing is observed. */
  public static Tracing off() {
    return new Tracing(ObservationRegistry.NOOP, null);
  }

  /**
   * Sends spans to a collector by HTTP.
   *
   * @param endpoint where the collector takes traces, for example {@code http://127.0.0.1:4318/v1/traces}
   * @param service for example {@code longtake-worker}
   */
  public static Tracing exporting(URI endpoint, String service) {
    RootIds ids = new RootIds();
    OtlpHttpSpanExporter exporter =
        OtlpHttpSpanExporter.builder()
            .setEndpoint(endpoint.toString())
            .setTimeout(EXPORT_TIMEOUT)
            .build();
    SdkTracerProvider provider =
        SdkTracerProvider.builder()
            .setResource(
                Resource.getDefault()
                    .merge(
                        Resource.create(
                            Attributes.builder()
                                .put("service.name", service)
                                .put("service.version", Build.version())
                                .put("service.instance.id", UUID.randomUUID().toString())
                                .build())))
            .setIdGenerator(ids)
            .addSpanProcessor(BatchSpanProcessor.builder(exporter).build())
            .build();
    Tracer tracer = provider.get("dev.longtake");
    return new Tracing(registry(tracer), new Exporting(provider, tracer, ids));
  }

  private static ObservationRegistry registry(Tracer spans) {
    OtelTracer tracer = new OtelTracer(spans, new OtelCurrentTraceContext(), _ -> {});
    OtelPropagator propagator =
        new OtelPropagator(
            ContextPropagators.create(W3CTraceContextPropagator.getInstance()), spans);
    ObservationRegistry registry = ObservationRegistry.create();
    registry
        .observationConfig()
        .observationPredicate((_, context) -> isTraced(context))
        .observationHandler(
            new FirstMatchingCompositeObservationHandler(
                List.of(
                    new PropagatingReceiverTracingObservationHandler<>(tracer, propagator),
                    new PropagatingSenderTracingObservationHandler<>(tracer, propagator),
                    new DefaultTracingObservationHandler(tracer))));
    return registry;
  }

  private static boolean isTraced(Observation.Context context) {
    return !(context instanceof GrpcServerObservationContext call)
        || TRACED_CALLS.contains(call.getFullMethodName());
  }

  /** Where observations are made; those of a thread's scope are parents of what it makes next. */
  public ObservationRegistry observations() {
    return observations;
  }

  /** Makes spans of the calls of others that belong to a job, in the traces that these are part of; empty when off. */
  public Optional<ServerInterceptor> serverInterceptor() {
    return exporting == null
        ? Optional.empty()
        : Optional.of(new ObservationGrpcServerInterceptor(observations));
  }

  /** Makes spans of calls that are made within an observation, and tells the other side of it. */
  public ClientInterceptor clientInterceptor() {
    return new WithinObservations(observations, new ObservationGrpcClientInterceptor(observations));
  }

  /** An observation, not started, whose span is a child of a job's root. */
  public Observation ofJob(String name, String jobId) {
    return Observation.createNotStarted(
            name,
            () -> {
              ReceiverContext<JobTrace> context =
                  new ReceiverContext<>(
                      (trace, field) -> field.equals("traceparent") ? trace.traceparent() : null,
                      Kind.CONSUMER);
              context.setCarrier(JobTrace.of(jobId));
              return context;
            },
            observations)
        .highCardinalityKeyValue(JOB_ID, jobId);
  }

  /** Adds to the span that the caller is within, if any. */
  public static void tag(String name, String value) {
    Span.current().setAttribute(name, value);
  }

  /**
   * The root of a job's trace, to be told once, when the job has ended.
   *
   * @param state as people read it
   * @param error one line; null unless it failed
   */
  public void jobEnded(
      String jobId, String state, Instant submitted, Instant ended, @Nullable String error) {
    if (exporting == null) {
      return;
    }
    SpanBuilder span =
        exporting
            .tracer
            .spanBuilder("job")
            .setNoParent()
            .setStartTimestamp(submitted)
            .setAttribute(JOB_ID, jobId)
            .setAttribute(STATE, state);
    exporting.ids.rootOf(
        JobTrace.of(jobId),
        () -> {
          var started = span.startSpan();
          if (error != null) {
            started.setStatus(StatusCode.ERROR, error);
          }
          started.end(ended);
        });
  }

  /** Sends what waits, within five seconds; for a process that the system ends, whose other threads it does not wait for. */
  public void flush() {
    if (exporting != null) {
      var _ = exporting.provider.forceFlush().join(CLOSE_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
    }
  }

  /** Sends what waits, within five seconds. */
  @Override
  public void close() {
    if (exporting != null) {
      exporting.provider.shutdown().join(CLOSE_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
    }
  }
}
