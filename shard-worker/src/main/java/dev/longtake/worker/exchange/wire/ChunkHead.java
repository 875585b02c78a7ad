package dev.longtake.worker.exchange.wire;

import dev.longtake.v1.ExchangeChunk;

/**
 * The fields of a chunk that come before its payload; see {@code ExchangeChunk}.
 *
 * @param place where the sender was in its program, with the step
 */
public record ChunkHead(
    String jobId,
    long attempt,
    int fromRank,
    int lane,
    String place,
    long point,
    long totalBytes,
    long offsetBytes,
    int payloadBytes) {
  static ChunkHead of(ExchangeChunk chunk) {
    return new ChunkHead(
        chunk.getJobId(),
        chunk.getAttempt(),
        chunk.getFromRank(),
        chunk.getLane(),
        chunk.getPlace(),
        chunk.getPoint(),
        chunk.getTotalBytes(),
        chunk.getOffsetBytes(),
        chunk.hasSlot() ? chunk.getSlot().getBytes() : chunk.getPayload().size());
  }
}
