package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.RankTime;
import dev.longtake.v1.Reuse;
import dev.longtake.v1.StageTime;
import dev.longtake.v1.Video;
import java.util.List;

/** How a job ended. */
public sealed interface Outcome {
  /** The video is where the job's artifacts have it. */
  record Done(Video video, List<StageTime> stageTimes, List<RankTime> rankTimes, Reuse reuse)
      implements Outcome {
    public Done {
      rankTimes = List.copyOf(rankTimes);
      stageTimes = List.copyOf(stageTimes);
    }
  }

  /** Something went wrong; {@code message} is one line for people. */
  record Failed(ErrorCode code, String message) implements Outcome {
    static Failed of(LongtakeException failure) {
      return new Failed(failure.code(), failure.getMessage());
    }
  }

  /** The user asked. */
  record Canceled() implements Outcome {}
}
