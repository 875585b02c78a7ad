package dev.longtake.common.tracing;

import dev.longtake.common.digest.Sha256;
import java.nio.charset.StandardCharsets;

/**
 * The ids of a job's trace and of the span that is its root. They follow from the job's id alone, so that a coordinator that is started
 * again goes on with the trace, and whoever has the job's id finds it.
 *
 * @param traceId 32 hexadecimal digits
 * @param rootSpanId 16 hexadecimal digits
 */
public record JobTrace(String traceId, String rootSpanId) {
  private static final int TRACE_DIGITS = 32;
  private static final int SPAN_DIGITS = 16;

  /** The first digits of the SHA-256 of the job's id, then those that follow. */
  public static JobTrace of(String jobId) {
    String digits = Sha256.hex(jobId.getBytes(StandardCharsets.UTF_8));
    return new JobTrace(
        digits.substring(0, TRACE_DIGITS),
        digits.substring(TRACE_DIGITS, TRACE_DIGITS + SPAN_DIGITS));
  }

  /** The root as a parent that is to be recorded; see <a href="https://www.w3.org/TR/trace-context/">W3C Trace Context</a>. */
  String traceparent() {
    return "00-%s-%s-01".formatted(traceId, rootSpanId);
  }
}
