package dev.longtake.ops.bench;

import dev.longtake.ops.bench.chaos.ChaosRun;
import dev.longtake.ops.bench.chaos.ChaosRun.Disturbed;
import dev.longtake.ops.bench.chaos.Fault;
import dev.longtake.v1.GenerationRequest;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What kills, freezes and cuts cost a job, and whether its bytes stay the same. */
final class ChaosBenchmark implements Benchmark {
  private static final int RUNS = 100;
  private static final int WORKERS = 3;
  private static final int STEPS = 30;

  /** A cold run takes twice as long, and would hide what a fault costs. */
  private static final int WARM_UPS = 10;

  /** Of what workers compute until the coordinator and they know that one of them is frozen. */
  private static final double DETECTION_SECONDS = 5;

  @Override
  public String name() {
    return "chaos";
  }

  @Override
  public String description() {
    return "The demo model, a coordinator and three workers as processes. During each of --runs"
        + " jobs (default 100) a process is killed (SIGKILL) and started again, frozen"
        + " (SIGSTOP) for 7 s, or every connection to the coordinator is cut, at a moment"
        + " and to a process that --seed chooses. Counted: jobs that were lost, videos that"
        + " differ from the undisturbed one, and the time lost, without the time that the"
        + " killed process took to be started again";
  }

  @Override
  public List<Figure> run(BenchOptions options) {
    Path model = options.model() == null ? WholeModel.demoModel() : options.model();
    GenerationRequest request =
        GenerationRequest.newBuilder()
            .setPrompt("a red circle moving right on a black background")
            .setSeed(7)
            .setSteps(STEPS)
            .build();
    int runs = options.runs() == 0 ? RUNS : options.runs();
    try (TemporaryFolder folder = TemporaryFolder.create()) {
      ChaosRun.Result result =
          new ChaosRun(model, folder.path(), request)
              .run(WORKERS, WARM_UPS, runs, options.seed(), options.notes());
      return figures(result);
    }
  }

  private static List<Figure> figures(ChaosRun.Result result) {
    List<Figure> figures = new ArrayList<>();
    figures.add(new Figure("chaos.runs", result.runs().size(), "jobs", Goal.none()));
    figures.add(new Figure("chaos.lost", result.lost(), "jobs", Goal.atMost(0)));
    figures.add(new Figure("chaos.different", result.different(), "videos", Goal.atMost(0)));
    figures.add(
        new Figure("chaos.undisturbed_seconds", result.undisturbedSeconds(), "s", Goal.none()));
    double limit = DETECTION_SECONDS + result.undisturbedSeconds() / STEPS;
    for (Fault fault : Fault.values()) {
      List<Double> lost =
          result.runs().stream()
              .filter(run -> run.fault() == fault)
              .map(run -> lost(run, result.undisturbedSeconds()))
              .sorted()
              .toList();
      if (lost.isEmpty()) {
        continue;
      }
      String name = "chaos." + fault.name().toLowerCase(Locale.ROOT);
      figures.add(
          new Figure(
              name + ".lost_p50_seconds", lost.get(lost.size() / 2), "s", Goal.atMost(limit)));
      figures.add(new Figure(name + ".lost_max_seconds", lost.getLast(), "s", Goal.atMost(limit)));
    }
    return figures;
  }

  /** A frozen coordinator can tell nobody, and a killed one nothing before it is there again. */
  private static double lost(Disturbed run, double usual) {
    double fault =
        switch (run.fault()) {
          case KILL_COORDINATOR, STOP_COORDINATOR -> run.faultSeconds();
          case KILL_WORKER, STOP_WORKER, CUT_CONNECTIONS -> 0;
        };
    return Math.max(0, run.seconds() - usual - fault);
  }
}
