package dev.longtake.worker.exchange.wire;

import com.google.protobuf.CodedOutputStream;
import dev.longtake.v1.ExchangeChunk;
import java.io.IOException;
import java.io.UncheckedIOException;

/** The fields that all chunks of one exchange point have in common, as bytes: they are encoded once. */
public final class ChunkPlace {
  private final byte[] bytes;

  /**
   * One peer's part of an exchange point.
   *
   * @param place in the program, with the step
   * @param point how many were before it
   * @param totalBytes of all its chunks
   */
  public ChunkPlace(String jobId, long attempt, String place, long point, long totalBytes) {
    int size =
        CodedOutputStream.computeStringSize(ExchangeChunk.JOB_ID_FIELD_NUMBER, jobId)
            + CodedOutputStream.computeInt64Size(ExchangeChunk.ATTEMPT_FIELD_NUMBER, attempt)
            + CodedOutputStream.computeStringSize(ExchangeChunk.PLACE_FIELD_NUMBER, place)
            + CodedOutputStream.computeInt64Size(ExchangeChunk.POINT_FIELD_NUMBER, point)
            + CodedOutputStream.computeInt64Size(
                ExchangeChunk.TOTAL_BYTES_FIELD_NUMBER, totalBytes);
    bytes = new byte[size];
    var out = CodedOutputStream.newInstance(bytes);
    try {
      out.writeString(ExchangeChunk.JOB_ID_FIELD_NUMBER, jobId);
      out.writeInt64(ExchangeChunk.ATTEMPT_FIELD_NUMBER, attempt);
      out.writeString(ExchangeChunk.PLACE_FIELD_NUMBER, place);
      out.writeInt64(ExchangeChunk.POINT_FIELD_NUMBER, point);
      out.writeInt64(ExchangeChunk.TOTAL_BYTES_FIELD_NUMBER, totalBytes);
      out.checkNoSpaceLeft();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  byte[] bytes() {
    return bytes;
  }
}
