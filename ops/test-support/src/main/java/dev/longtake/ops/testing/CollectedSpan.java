package dev.longtake.ops.testing;

import com.google.protobuf.ByteString;
import io.opentelemetry.proto.common.v1.KeyValue;
import io.opentelemetry.proto.resource.v1.Resource;
import io.opentelemetry.proto.trace.v1.Span;
import io.opentelemetry.proto.trace.v1.Status;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * A span as tests look at it.
 *
 * @param service of the process that made it
 * @param id hexadecimal, as {@code traceId} and {@code parentId}, which is empty for a root
 * @param events names
 * @param isError whether its status says that it failed
 */
public record CollectedSpan(
    String service,
    String name,
    String traceId,
    String id,
    String parentId,
    Map<String, String> attributes,
    List<String> events,
    boolean isError,
    long startUnixNanos,
    long endUnixNanos) {

  static CollectedSpan of(Resource resource, Span span) {
    return new CollectedSpan(
        strings(resource.getAttributesList()).getOrDefault("service.name", ""),
        span.getName(),
        hex(span.getTraceId()),
        hex(span.getSpanId()),
        hex(span.getParentSpanId()),
        strings(span.getAttributesList()),
        span.getEventsList().stream().map(Span.Event::getName).toList(),
        span.getStatus().getCode() == Status.StatusCode.STATUS_CODE_ERROR,
        span.getStartTimeUnixNano(),
        span.getEndTimeUnixNano());
  }

  private static Map<String, String> strings(List<KeyValue> attributes) {
    Map<String, String> strings = new HashMap<>();
    attributes.forEach(pair -> strings.put(pair.getKey(), pair.getValue().getStringValue()));
    return strings;
  }

  private static String hex(ByteString bytes) {
    return HexFormat.of().formatHex(bytes.toByteArray());
  }
}
