package dev.longtake.ops.bench;

import static dev.longtake.ops.bench.CacheBenchmark.count;
import static dev.longtake.ops.bench.CacheBenchmark.figure;

import dev.longtake.client.LongtakeClient;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.StageTime;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;

/** Each of some prompts twice, one request at a time, in a cluster that has its weights loaded. */
final class RepeatedPrompts {
  private static final List<String> SHAPES = List.of("circle", "square", "star", "triangle");
  private static final List<String> COLOURS = List.of("red", "green", "blue", "yellow", "white");
  private static final int STEPS = 5;
  private static final int FRAMES = 4;

  /** Part of what a cold prompt's load takes; the time of the first step itself varies by more than nothing. */
  private static final double SAVED_GOAL = 0.9;

  private final BenchCluster cluster;

  RepeatedPrompts(BenchCluster cluster) {
    this.cluster = cluster;
  }

  /**
   * One request.
   *
   * @param firstStepSeconds from submitting to the end of the first step, without waiting for workers, which the coordinator may be
   *     measuring
   */
  private record Run(Job job, double firstStepSeconds) {
    static double seconds(Job job, String stage) {
      return job.getStageTimesList().stream()
          .filter(time -> time.getStage().equals(stage))
          .map(StageTime::getDuration)
          .mapToDouble(GangRun::seconds)
          .sum();
    }

    /** What the caches can save of it. */
    double loadSeconds() {
      return seconds(job, "text encoder") + seconds(job, "preparing texts");
    }
  }

  List<Figure> measure() {
    List<Run> whole = new ArrayList<>();
    List<Run> again = new ArrayList<>();
    // Weights, compiled code and the null caption's text are there after these.
    for (String shape : SHAPES) {
      String prompt = "a black " + shape + " moving right on a black background";
      whole.add(run(prompt, FRAMES, STEPS));
      again.add(run(prompt, FRAMES, STEPS));
    }
    List<Run> cold = new ArrayList<>();
    List<Run> warm = new ArrayList<>();
    for (String shape : SHAPES) {
      for (String colour : COLOURS) {
        String prompt = "a " + colour + " " + shape + " moving right on a black background";
        cold.add(run(prompt, /* frames= */ 1, /* steps= */ 1));
        warm.add(run(prompt, /* frames= */ 1, /* steps= */ 1));
      }
    }
    List<Figure> figures = new ArrayList<>();
    figures.addAll(counts(whole.getFirst(), both(whole, cold), both(again, warm)));
    figures.addAll(times(cold, warm));
    return figures;
  }

  private static List<Run> both(List<Run> one, List<Run> other) {
    return Stream.concat(one.stream(), other.stream()).toList();
  }

  private static List<Figure> counts(Run one, List<Run> first, List<Run> second) {
    int runs = second.stream().mapToInt(run -> run.job.getReuse().getEncoderRuns()).sum();
    long projections =
        second.stream().mapToLong(run -> run.job.getReuse().getConditionProjections()).sum();
    long same = 0;
    for (int i = 0; i < first.size(); i++) {
      same += sha256(first.get(i)).equals(sha256(second.get(i))) ? 1 : 0;
    }
    double perText =
        (double) one.job.getReuse().getConditionProjections()
            / Math.max(1, one.job.getReuse().getConditionsPrepared());
    return List.of(
        count("second_request.encoder_runs", runs, "runs", Goal.atMost(0)),
        count("second_request.condition_projections", projections, "products", Goal.atMost(0)),
        count(
            "second_request.identical_results",
            same,
            "of " + first.size(),
            Goal.atLeast(first.size())),
        figure("one_request.steps", STEPS, "steps", Goal.none()),
        figure("one_request.projections_per_text", perText, "products", Goal.atMost(1 + BLOCKS)));
  }

  /** Medians over the prompts: of the differences too, since what disturbs the machine disturbs one of both. */
  private static List<Figure> times(List<Run> cold, List<Run> warm) {
    List<Double> saved = new ArrayList<>();
    for (int i = 0; i < cold.size(); i++) {
      saved.add(cold.get(i).firstStepSeconds - warm.get(i).firstStepSeconds);
    }
    double load = Medians.of(cold.stream().map(Run::loadSeconds).toList());
    double left = Medians.of(warm.stream().map(Run::loadSeconds).toList());
    return List.of(
        millis("first_request.load_millis", load, Goal.none()),
        millis("second_request.load_millis", left, Goal.none()),
        millis("first_request.first_step_millis", firstStep(cold), Goal.none()),
        millis("second_request.first_step_millis", firstStep(warm), Goal.none()),
        millis("second_request.saved_millis", Medians.of(saved), Goal.none()),
        figure(
            "second_request.saved_of_load",
            Medians.of(saved) / load,
            "ratio",
            Goal.atLeast(SAVED_GOAL)));
  }

  private static double firstStep(List<Run> runs) {
    return Medians.of(runs.stream().map(Run::firstStepSeconds).toList());
  }

  private static Figure millis(String name, double seconds, Goal goal) {
    return figure(name, 1e3 * seconds, "ms", goal);
  }

  /** Spatial and temporal blocks of the demo model: each has an attention to the text. */
  private static final int BLOCKS = 8;

  private static String sha256(Run run) {
    return run.job.getVideo().getSha256();
  }

  private Run run(String prompt, int frames, int steps) {
    LongtakeClient client = cluster.client();
    AtomicLong firstStep = new AtomicLong();
    long start = System.nanoTime();
    Job submitted =
        client.submit(
            GenerationRequest.newBuilder()
                .setPrompt(prompt)
                .setFrames(frames)
                .setSteps(steps)
                .setSeed(1)
                .build());
    Job job =
        client.watch(
            submitted.getId(),
            event -> {
              if (event.hasStepDone() && event.getStepDone().getStep() == 1) {
                firstStep.set(System.nanoTime() - start);
              }
            });
    if (job.getState() != JobState.JOB_STATE_DONE) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected a video of '%s', but the job is %s: %s"
              .formatted(prompt, job.getState(), job.getError().getMessage()));
    }
    return new Run(job, firstStep.get() / 1e9 - Run.seconds(job, "waiting for workers"));
  }
}
