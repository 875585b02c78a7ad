package dev.longtake.common.tracing;

import io.opentelemetry.sdk.trace.IdGenerator;
import org.jspecify.annotations.Nullable;

/** Random ids, but for the root span of a job, whose ids its other spans already know. Thread-safe. */
final class RootIds implements IdGenerator {
  private static final ThreadLocal<@Nullable JobTrace> ROOT = new ThreadLocal<>();

  private final IdGenerator others = IdGenerator.random();

  /** Spans that {@code starter} starts, one, get the ids of a root. */
  void rootOf(JobTrace trace, Runnable starter) {
    ROOT.set(trace);
    try {
      starter.run();
    } finally {
      ROOT.remove();
    }
  }

  @Override
  public String generateTraceId() {
    JobTrace trace = ROOT.get();
    return trace == null ? others.generateTraceId() : trace.traceId();
  }

  @Override
  public String generateSpanId() {
    JobTrace trace = ROOT.get();
    return trace == null ? others.generateSpanId() : trace.rootSpanId();
  }
}
