package dev.longtake.worker.order;

import com.google.protobuf.util.Durations;
import dev.longtake.v1.RankTrace;
import dev.longtake.v1.TraceKind;
import dev.longtake.v1.TraceSpan;
import dev.longtake.v1.WorkFinished;
import dev.longtake.worker.engine.trace.Span;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;

/** A rank's time line as messages. */
final class Traces {
  private static final int NANOS_PER_MICRO = 1000;

  private final int rank;
  private final dev.longtake.worker.engine.trace.RankTrace trace;
  private final Instant start;

  /**
   * A time line that begins now.
   *
   * @param start the wall clock at its beginning
   */
  Traces(int rank, dev.longtake.worker.engine.trace.RankTrace trace, Instant start) {
    this.rank = rank;
    this.trace = trace;
    this.start = start;
  }

  RankTrace message() {
    Map<String, Integer> names = new LinkedHashMap<>();
    RankTrace.Builder message =
        RankTrace.newBuilder()
            .setRank(rank)
            .setStartUnixMicros(
                start.getEpochSecond() * 1_000_000 + start.getNano() / NANOS_PER_MICRO)
            .setDropped(trace.dropped());
    for (Span span : trace.spans()) {
      int name = names.computeIfAbsent(span.name(), _ -> names.size());
      message.addSpans(
          TraceSpan.newBuilder()
              .setName(name)
              .setKind(kind(span.kind()))
              .setLane(span.lane())
              .setStep(span.step())
              .setStartMicros((span.startNanos() - trace.startNanos()) / NANOS_PER_MICRO)
              .setDurationMicros((span.endNanos() - span.startNanos()) / NANOS_PER_MICRO));
    }
    return message.addAllNames(names.keySet()).build();
  }

  private static TraceKind kind(Span.Kind kind) {
    return switch (kind) {
      case COMPUTE -> TraceKind.TRACE_KIND_COMPUTE;
      case EXCHANGE -> TraceKind.TRACE_KIND_EXCHANGE;
      case WAIT -> TraceKind.TRACE_KIND_WAIT;
    };
  }

  void report(WorkFinished.Builder finished) {
    var totals = trace.totals();
    finished
        .setCompute(Durations.fromNanos(totals.compute()))
        .setExchange(Durations.fromNanos(totals.exposed()))
        .setExchangeHidden(Durations.fromNanos(totals.hidden()))
        .setIdle(Durations.fromNanos(totals.idle()))
        .setSampling(Durations.fromNanos(totals.elapsed()));
  }
}
