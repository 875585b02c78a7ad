package dev.longtake.worker.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.ExchangeHello;
import java.util.List;

/**
 * One lane of one rank of one attempt at a job.
 *
 * @param lane exchanges of a lane do not wait for those of another
 * @param gang addresses of all ranks, in their order
 */
record JobRank(String jobId, long attempt, int lane, int rank, List<String> gang) {
  JobRank {
    gang = List.copyOf(gang);
    if (rank < 0 || rank >= gang.size()) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected a rank of 0 to %d in job %s, but got %d"
              .formatted(gang.size() - 1, jobId, rank));
    }
  }

  /** The first message of a stream to a peer. */
  ExchangeHello helloTo(int peer, int stream) {
    return ExchangeHello.newBuilder()
        .setJobId(jobId)
        .setAttempt(attempt)
        .setFromRank(rank)
        .setToRank(peer)
        .setLane(lane)
        .setStream(stream)
        .setProtocol(ExchangeHub.PROTOCOL)
        .build();
  }

  @Override
  public String toString() {
    return "job %s, attempt %d".formatted(jobId, attempt);
  }
}
