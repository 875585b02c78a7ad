package dev.longtake.coordinator.web.json;

import dev.longtake.coordinator.web.http.ApiException;
import io.grpc.Status;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The part of a file that a request wants.
 *
 * @param end exclusive
 */
record ByteRange(long start, long end) {
  private static final Pattern SINGLE = Pattern.compile("bytes=(\\d{0,18})-(\\d{0,18})");

  long size() {
    return end - start;
  }

  /**
   * What a Range header says; empty for the whole file, which also who asks for several parts gets.
   *
   * @throws ApiException when the file has no such bytes
   */
  static Optional<ByteRange> parse(String header, long fileBytes) {
    Matcher matcher = SINGLE.matcher(header);
    if (!matcher.matches() || header.equals("bytes=-")) {
      return Optional.empty();
    }
    String first = matcher.group(1);
    String last = matcher.group(2);
    if (!first.isEmpty() && !last.isEmpty() && Long.parseLong(last) < Long.parseLong(first)) {
      return Optional.empty();
    }
    long start =
        first.isEmpty() ? Math.max(0, fileBytes - Long.parseLong(last)) : Long.parseLong(first);
    long end =
        first.isEmpty() || last.isEmpty()
            ? fileBytes
            : Math.min(fileBytes, Long.parseLong(last) + 1);
    if (start >= end) {
      throw new ApiException(
          416,
          Status.Code.OUT_OF_RANGE,
          "INVALID_REQUEST",
          "Expected a range within the %d bytes of the video, but got %s"
              .formatted(fileBytes, header));
    }
    return Optional.of(new ByteRange(start, end));
  }
}
