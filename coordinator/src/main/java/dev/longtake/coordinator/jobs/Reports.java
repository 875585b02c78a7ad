package dev.longtake.coordinator.jobs;

import com.google.protobuf.Duration;
import com.google.protobuf.util.Durations;
import dev.longtake.v1.RankTime;
import dev.longtake.v1.Reuse;
import dev.longtake.v1.StageTime;
import dev.longtake.v1.TextWork;
import dev.longtake.v1.WorkFinished;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** What ranks reported, as the job tells it. */
final class Reports {
  private Reports() {}

  /** Of several segments, in order of the ranks. */
  static List<WorkFinished> sum(List<WorkFinished> earlier, List<WorkFinished> later) {
    if (earlier.isEmpty()) {
      return later;
    }
    List<WorkFinished> sums = new ArrayList<>();
    for (int rank = 0; rank < later.size(); rank++) {
      sums.add(sum(earlier.get(rank), later.get(rank)));
    }
    return sums;
  }

  private static WorkFinished sum(WorkFinished one, WorkFinished other) {
    return WorkFinished.newBuilder()
        .setLoad(Durations.add(one.getLoad(), other.getLoad()))
        .setCompute(Durations.add(one.getCompute(), other.getCompute()))
        .setExchange(Durations.add(one.getExchange(), other.getExchange()))
        .setExchangeHidden(Durations.add(one.getExchangeHidden(), other.getExchangeHidden()))
        .setIdle(Durations.add(one.getIdle(), other.getIdle()))
        .setSampling(Durations.add(one.getSampling(), other.getSampling()))
        .setDecode(Durations.add(one.getDecode(), other.getDecode()))
        .setExchangedBytes(one.getExchangedBytes() + other.getExchangedBytes())
        .setPeakDeviceBytes(Math.max(one.getPeakDeviceBytes(), other.getPeakDeviceBytes()))
        .setPeakExchangeBytes(Math.max(one.getPeakExchangeBytes(), other.getPeakExchangeBytes()))
        .setTexts(
            TextWork.newBuilder()
                .setReused(one.getTexts().getReused() + other.getTexts().getReused())
                .setPrepared(one.getTexts().getPrepared() + other.getTexts().getPrepared())
                .setProjections(one.getTexts().getProjections() + other.getTexts().getProjections())
                .setTime(Durations.add(one.getTexts().getTime(), other.getTexts().getTime())))
        .build();
  }

  /** Workers' times are those of one rank, the one that worked longest, so that they add up. */
  static List<StageTime> stageTimes(
      java.time.Duration textEncoder,
      List<WorkFinished> reports,
      long waitedNanos,
      long writeNanos) {
    WorkFinished busiest =
        reports.stream()
            .max(Comparator.comparing(Reports::work, Durations.comparator()))
            .orElse(WorkFinished.getDefaultInstance());
    List<StageTime> times = new ArrayList<>();
    times.add(stage("text encoder", Durations.fromNanos(textEncoder.toNanos())));
    times.add(stage("waiting for workers", Durations.fromNanos(waitedNanos)));
    times.add(stage("loading weights", busiest.getLoad()));
    times.add(stage("preparing texts", busiest.getTexts().getTime()));
    times.add(stage("sampling: compute", busiest.getCompute()));
    times.add(stage("sampling: exchange", busiest.getExchange()));
    times.add(stage("sampling: idle", busiest.getIdle()));
    times.add(stage("decoding", busiest.getDecode()));
    times.add(stage("writing the MP4", Durations.fromNanos(writeNanos)));
    return times;
  }

  private static StageTime stage(String name, Duration duration) {
    return StageTime.newBuilder().setStage(name).setDuration(duration).build();
  }

  /** What is left of a rank's time without waiting for others. */
  private static Duration work(WorkFinished report) {
    return Durations.add(report.getLoad(), Durations.add(report.getCompute(), report.getDecode()));
  }

  /**
   * @param workerIds and {@code reports} in order of the ranks
   */
  static List<RankTime> rankTimes(List<String> workerIds, List<WorkFinished> reports) {
    List<RankTime> times = new ArrayList<>();
    for (int rank = 0; rank < reports.size(); rank++) {
      WorkFinished report = reports.get(rank);
      times.add(
          RankTime.newBuilder()
              .setWorkerId(workerIds.get(rank))
              .setCompute(report.getCompute())
              .setExchangeExposed(report.getExchange())
              .setExchangeHidden(report.getExchangeHidden())
              .setIdle(report.getIdle())
              .setSampling(report.getSampling())
              .setSentBytes(report.getExchangedBytes())
              .setPeakDeviceBytes(report.getPeakDeviceBytes())
              .setPeakExchangeBytes(report.getPeakExchangeBytes())
              .build());
    }
    return times;
  }

  /**
   * What the job found made, and what was made for it.
   *
   * @param embeddings the text encoder's part of it
   */
  static Reuse reuse(Reuse embeddings, List<WorkFinished> reports) {
    Reuse.Builder reuse = embeddings.toBuilder();
    for (WorkFinished report : reports) {
      TextWork texts = report.getTexts();
      reuse
          .setConditionsReused(reuse.getConditionsReused() + texts.getReused())
          .setConditionsPrepared(reuse.getConditionsPrepared() + texts.getPrepared())
          .setConditionProjections(reuse.getConditionProjections() + texts.getProjections());
    }
    return reuse.build();
  }

  /** Of one step, in which the rank that waited longest for bytes waited for them. */
  static double exposedSeconds(List<WorkFinished> reports, int steps) {
    return reports.stream().mapToDouble(report -> seconds(report.getExchange())).max().orElse(0)
        / steps;
  }

  static double seconds(Duration duration) {
    return duration.getSeconds() + duration.getNanos() / 1e9;
  }
}
