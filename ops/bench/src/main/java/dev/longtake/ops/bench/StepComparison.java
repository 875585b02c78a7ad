package dev.longtake.ops.bench;

import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.common.tensor.DType;
import dev.longtake.ops.model.RandomModel;
import dev.longtake.v1.Precision;
import dev.longtake.v1.WorkOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Runs workers and PyTorch in turns, and makes figures of their times and memory. For one thread. */
final class StepComparison {
  private static final String OURS = "longtake";
  private static final String EAGER = "torch_eager";
  private static final String COMPILED = "torch_compiled";
  private static final String GLOO = "gloo";
  private static final String TORCH = "torch";
  private static final String TORCH_ONE_THREAD = "torch_one_thread";

  private static final double F32_GOAL = 1.3;
  private static final double BF16_GOAL = 1.5;
  private static final double COMPILED_GOAL = 1;
  private static final double MEMORY_GOAL = 0.5;
  private static final double TWO_WORKERS_GOAL = 1.3;
  private static final double DEMO_GOAL = 2;

  /** Other orders of sums, times guidance; most over the demo model's 30 steps. */
  private static final double F32_TOLERANCE = 1e-4;

  /** PyTorch keeps the residual stream in bfloat16 too, and guidance multiplies what that rounds. */
  private static final double BF16_TOLERANCE = 0.2;

  /** Rounds before those that count: the first step is partly interpreted, and the second still compiles. */
  private static final int WARM_UPS = 2;

  private static final double GUIDANCE = 7;
  private static final String HEAP = "256m";
  private static final int THREADS = 2;
  private static final int WORKERS = 2;

  private static final StepClip DEMO_CLIP = StepClip.of(16, 16);
  private static final int DEMO_BLOCKS = 8;
  private static final int DEMO_STEPS = 30;
  private static final double DEMO_GUIDANCE = 3;
  private static final int DEMO_TEXT_TOKENS = 11;
  private static final int DEMO_TEXT_CHANNELS = 64;

  private final StepSizes sizes;
  private final BenchOptions options;
  private final @Nullable Path home;
  private final Path folder;
  private final Consumer<Figure> figures;
  private final int rounds;

  /**
   * @param home the folder of the longtake script; null to measure without PyTorch
   * @param folder for what is only needed until the end
   */
  StepComparison(
      StepSizes sizes,
      BenchOptions options,
      @Nullable Path home,
      Path folder,
      Consumer<Figure> figures) {
    this.sizes = sizes;
    this.options = options;
    this.home = home;
    this.folder = folder;
    this.figures = figures;
    rounds = options.runs() == 0 ? sizes.rounds() : options.runs();
  }

  private List<StepClip> clips() {
    List<StepClip> asked = options.step().clips();
    return asked.isEmpty() ? sizes.clips() : asked;
  }

  /** One worker with all threads, against one process with as many. */
  void compareStep(DType type, Path dit, RandomModel model) {
    Map<String, Double> worst = new TreeMap<>();
    for (StepClip clip : clips()) {
      compareStep(type, clip, sampling(dit, model, clip), worst);
    }
    worst.forEach((name, value) -> {
      Goal goal =
          switch (name) {
            case "ratio_to_" + EAGER -> Goal.atLeast(type == DType.BF16 ? BF16_GOAL : F32_GOAL);
            case "ratio_to_" + COMPILED -> Goal.atLeast(COMPILED_GOAL);
            default -> Goal.atMost(MEMORY_GOAL);
          };
      add(name(type) + "." + name, value, "ratio", goal);
    });
  }

  private void compareStep(
      DType type, StepClip clip, SamplingCase sampling, Map<String, Double> worst) {
    String at = name(type) + "." + clip.name();
    boolean isBfloat = type == DType.BF16;
    Turns turns = new Turns(isBfloat ? BF16_TOLERANCE : F32_TOLERANCE);
    try (WorkerGang gang = gang(sampling, 1, THREADS);
        TorchPeers peers = peers(sampling)) {
      WorkOrder order =
          sampling.order(isBfloat ? Precision.PRECISION_BF16 : Precision.PRECISION_F32);
      turns.add(OURS, () -> run(gang, ExecutionPlan.solo(sizes.blocks()), order));
      if (home != null) {
        List<String> dtype = List.of("--dtype", name(type));
        List<String> compiled = new ArrayList<>(dtype);
        compiled.add("--compile");
        peers.add(turns, EAGER, THREADS, dtype);
        peers
            .tryToAdd(turns, COMPILED, THREADS, compiled)
            .ifPresent(why ->
                options
                    .notes()
                    .accept("step.%s.ratio_to_%s is left out: %s".formatted(at, COMPILED, why)));
      }
      turns.run(WARM_UPS, rounds);
      addTimes(at, turns, worst);
      add(at + ".peak_bytes", gang.peakResidentBytes(), "bytes", Goal.none());
      if (home != null) {
        double memory = gang.peakResidentBytes() / peers.peakBytes(EAGER);
        add(at + "." + EAGER + "_peak_bytes", peers.peakBytes(EAGER), "bytes", Goal.none());
        add(at + ".peak_memory_to_" + EAGER, memory, "ratio", Goal.none());
        worst.merge("peak_memory_to_" + EAGER, memory, Math::max);
      }
    }
  }

  /** Two workers of one thread, float32, against two such processes that divide the sequence in the same way. */
  void compareTwoWorkers(Path dit, RandomModel model) {
    Map<String, Double> worst = new TreeMap<>();
    for (StepClip clip : clips()) {
      Turns turns = new Turns(F32_TOLERANCE);
      SamplingCase sampling = sampling(dit, model, clip);
      try (WorkerGang gang = gang(sampling, WORKERS, 1);
          TorchPeers peers = peers(sampling)) {
        WorkOrder order = sampling.order(Precision.PRECISION_F32);
        turns.add(OURS, () -> run(gang, sequence(), order));
        if (home != null) {
          peers.add(turns, GLOO, 1, List.of("--ranks", Integer.toString(WORKERS)));
        }
        turns.run(WARM_UPS, rounds);
        addTimes("two_workers." + clip.name(), turns, worst);
      }
    }
    worst.forEach((name, value) ->
        add("two_workers." + name, value, "ratio", Goal.atLeast(TWO_WORKERS_GOAL)));
  }

  private ExecutionPlan sequence() {
    ExecutionPlan plan = ExecutionPlan.sequence(sizes.blocks(), WORKERS, SequenceMode.SWITCH);
    // One row of guidance is computed while the other's tokens travel.
    return new ExecutionPlan(
        1, plan.stages(), WORKERS, plan.mode(), plan.shares(), /* microBatches= */ 2);
  }

  /** The demo model's run from noise to latents, where overhead shows, against the faster of two peers; nothing without PyTorch. */
  void compareDemo() {
    if (home == null) {
      return;
    }
    Path demo = home.resolve("ops").resolve("demo-model");
    SamplingCase sampling =
        SamplingCase.random(
            demo,
            demo.resolve("dit"),
            DEMO_CLIP,
            DEMO_TEXT_TOKENS,
            DEMO_TEXT_CHANNELS,
            DEMO_STEPS,
            DEMO_GUIDANCE,
            options.seed());
    Map<String, Double> worst = new TreeMap<>();
    Turns turns = new Turns(F32_TOLERANCE);
    try (WorkerGang gang = gang(sampling, 1, THREADS);
        TorchPeers peers = peers(sampling)) {
      WorkOrder order = sampling.order(Precision.PRECISION_F32);
      turns.add(OURS, () -> run(gang, ExecutionPlan.solo(DEMO_BLOCKS), order));
      peers.add(turns, TORCH, THREADS, List.of());
      // Short operations may cost a pool of threads more than they give it.
      peers.add(turns, TORCH_ONE_THREAD, 1, List.of());
      turns.run(sizes.demoWarmUps(), options.runs() == 0 ? sizes.demoRounds() : options.runs());
      addTimes("demo.30_steps", turns, worst);
    }
    double faster = Collections.min(worst.values());
    add("demo.ratio_to_" + TORCH, faster, "ratio", Goal.atLeast(DEMO_GOAL));
  }

  private SamplingCase sampling(Path dit, RandomModel model, StepClip clip) {
    int textChannels = Objects.requireNonNull(model.program().model().text()).channels();
    return SamplingCase.random(
        dit, dit, clip, sizes.textTokens(), textChannels, /* steps= */ 1, GUIDANCE, options.seed());
  }

  private WorkerGang gang(SamplingCase sampling, int workers, int threads) {
    return WorkerGang.start("worker", workers, sampling.model(), folder, HEAP, threads);
  }

  private TorchPeers peers(SamplingCase sampling) {
    Path scripts = home == null ? folder : home.resolve("ops").resolve("bench").resolve("peers");
    return new TorchPeers(options.step().python(), scripts, folder, sampling);
  }

  private static Turns.Outcome run(WorkerGang gang, ExecutionPlan plan, WorkOrder order) {
    GangRun run = gang.run(plan, order);
    return new Turns.Outcome(run.samplingSeconds(), run.values(RandomTasks.FINAL, OURS));
  }

  /**
   * Everybody's seconds, how much longer than ours each takes, and how well they agree.
   *
   * @param worst gets the least ratio to each
   */
  private void addTimes(String at, Turns turns, Map<String, Double> worst) {
    double ours = turns.seconds(OURS);
    add(at + ".seconds", ours, "s", Goal.none());
    for (String peer : List.of(EAGER, COMPILED, GLOO, TORCH, TORCH_ONE_THREAD)) {
      if (turns.has(peer)) {
        double theirs = turns.seconds(peer);
        add(at + "." + peer + "_seconds", theirs, "s", Goal.none());
        add(at + ".ratio_to_" + peer, theirs / ours, "ratio", Goal.none());
        worst.merge("ratio_to_" + peer, theirs / ours, Math::min);
      }
    }
    if (home != null) {
      add(at + ".error", turns.worstError(), "of the largest", Goal.none());
    }
  }

  private void add(String name, double value, String unit, Goal goal) {
    figures.accept(new Figure("step." + name, value, unit, goal));
  }

  private static String name(DType type) {
    return type.name().toLowerCase(Locale.ROOT);
  }
}
