package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.RankTime;
import dev.longtake.v1.Reuse;
import dev.longtake.v1.StageTime;
import dev.longtake.v1.Video;
import java.nio.file.Path;
import java.util.List;

/** How a job ended. */
public sealed interface Outcome {
  /** The video is in {@code file}. */
  record Done(
      Video video, Path file, List<StageTime> stageTimes, List<RankTime> rankTimes, Reuse reuse)
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
