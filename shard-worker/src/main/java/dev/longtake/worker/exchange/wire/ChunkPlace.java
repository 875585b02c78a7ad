package dev.longtake.worker.exchange.wire;

import dev.longtake.v1.ExchangeChunk;

/** The fields that all chunks of one exchange point have in common, as bytes: they are encoded once. */
public final class ChunkPlace {
  private final byte[] bytes;
  private final ExchangeChunk chunk;

  /**
   * One peer's part of an exchange point.
   *
   * @param lane of the sender's exchange
   * @param place in the program, with the step
   * @param point how many were before it
   * @param totalBytes of all its chunks
   */
  public ChunkPlace(
      String jobId,
      long attempt,
      int fromRank,
      int lane,
      String place,
      long point,
      long totalBytes) {
    chunk =
        ExchangeChunk.newBuilder()
            .setJobId(jobId)
            .setAttempt(attempt)
            .setFromRank(fromRank)
            .setLane(lane)
            .setPlace(place)
            .setPoint(point)
            .setTotalBytes(totalBytes)
            .build();
    bytes = chunk.toByteArray();
  }

  byte[] bytes() {
    return bytes;
  }

  /** A chunk with these fields, for protobuf's own classes. */
  ExchangeChunk.Builder newChunk() {
    return chunk.toBuilder();
  }
}
