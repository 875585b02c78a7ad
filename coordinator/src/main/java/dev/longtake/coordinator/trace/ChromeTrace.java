package dev.longtake.coordinator.trace;

import com.google.gson.stream.JsonWriter;
import dev.longtake.v1.RankTrace;
import dev.longtake.v1.TraceKind;
import dev.longtake.v1.TraceSpan;
import java.io.IOException;
import java.io.Writer;
import java.util.Collections;
import java.util.List;

/**
 * Time lines of ranks in Chrome's trace event format (the "Trace Event Format" document of the Chromium project), which Perfetto
 * and chrome://tracing open: one process for each rank, named after its worker, one thread for each part of the batch and one for
 * the sampling loop, one complete event ("X", in microseconds) for each span.
 *
 * <p>Clocks of different hosts are aligned by the Unix time at which each time line starts; they are as far off as the hosts'
 * clocks are.
 */
final class ChromeTrace {
  private ChromeTrace() {}

  /**
   * Writes all time lines, one span at a time.
   *
   * @param workerIds in order of the ranks
   * @param loopLane the lane that is the sampling loop
   */
  static void write(Writer out, List<String> workerIds, List<RankTrace> traces, int loopLane)
      throws IOException {
    long originMicros = traces.stream().mapToLong(RankTrace::getStartUnixMicros).min().orElse(0);
    JsonWriter json = new JsonWriter(out);
    json.beginObject();
    json.name("displayTimeUnit").value("ms");
    json.name("otherData").beginObject();
    json.name("start_unix_micros").value(originMicros);
    json.name("dropped_spans").value(traces.stream().mapToLong(RankTrace::getDropped).sum());
    json.endObject();
    json.name("traceEvents").beginArray();
    for (RankTrace trace : traces) {
      names(json, trace, workerIds, loopLane);
      long offsetMicros = trace.getStartUnixMicros() - originMicros;
      for (TraceSpan span : trace.getSpansList()) {
        span(json, trace, span, offsetMicros);
      }
    }
    json.endArray();
    json.endObject();
    json.flush();
  }

  private static void names(JsonWriter json, RankTrace trace, List<String> workerIds, int loopLane)
      throws IOException {
    int rank = trace.getRank();
    metadata(json, "process_name", rank, 0).name("name").value(workerIds.get(rank));
    json.endObject().endObject();
    metadata(json, "process_sort_index", rank, 0).name("sort_index").value(rank);
    json.endObject().endObject();
    int lanes = Collections.max(laneOf(trace)) + 1;
    for (int lane = 0; lane < lanes; lane++) {
      String name = lane == loopLane ? "sampling loop" : "part " + lane;
      metadata(json, "thread_name", rank, lane).name("name").value(name);
      json.endObject().endObject();
      metadata(json, "thread_sort_index", rank, lane).name("sort_index").value(lane);
      json.endObject().endObject();
    }
  }

  private static List<Integer> laneOf(RankTrace trace) {
    return trace.getSpansCount() == 0
        ? List.of(0)
        : trace.getSpansList().stream().map(TraceSpan::getLane).distinct().toList();
  }

  /** Opens an event and its arguments. */
  private static JsonWriter metadata(JsonWriter json, String what, int rank, int lane)
      throws IOException {
    json.beginObject();
    json.name("ph").value("M");
    json.name("name").value(what);
    json.name("pid").value(rank);
    json.name("tid").value(lane);
    return json.name("args").beginObject();
  }

  private static void span(JsonWriter json, RankTrace trace, TraceSpan span, long offsetMicros)
      throws IOException {
    String kind = kind(span.getKind());
    json.beginObject();
    json.name("ph").value("X");
    json.name("name").value(name(trace, span.getName()));
    json.name("cat").value(kind);
    json.name("pid").value(trace.getRank());
    json.name("tid").value(span.getLane());
    json.name("ts").value(offsetMicros + span.getStartMicros());
    json.name("dur").value(span.getDurationMicros());
    json.name("args").beginObject();
    json.name("step").value(span.getStep());
    json.name("kind").value(kind);
    json.endObject();
    json.endObject();
  }

  private static String name(RankTrace trace, int index) {
    return index >= 0 && index < trace.getNamesCount() ? trace.getNames(index) : "unnamed";
  }

  private static String kind(TraceKind kind) {
    return switch (kind) {
      case TRACE_KIND_COMPUTE -> "compute";
      case TRACE_KIND_EXCHANGE -> "exchange";
      case TRACE_KIND_WAIT -> "wait";
      case TRACE_KIND_UNSPECIFIED, UNRECOGNIZED -> "other";
    };
  }
}
