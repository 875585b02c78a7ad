package dev.longtake.ops.bench;

import dev.longtake.common.tensor.DType;
import dev.longtake.ops.model.RandomModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One denoising step against PyTorch on the same machine, the same weights and the same inputs. Everybody runs in processes of its own
 * that live as long as a comparison, takes turns, and must come to the same latents.
 */
final class StepBenchmark implements Benchmark {
  private final StepSizes sizes;
  private final @Nullable Path home;

  StepBenchmark() {
    this(StepSizes.OPEN_SORA, null);
  }

  /**
   * @param home the folder of the longtake script; null for the one that was started
   */
  StepBenchmark(StepSizes sizes, @Nullable Path home) {
    this.sizes = sizes;
    this.home = home;
  }

  @Override
  public String name() {
    return "step";
  }

  @Override
  public String description() {
    return ("One denoising step of STDiT3, width %d, %d pairs of blocks with random weights,"
            + " guidance, %d text tokens, on a worker of two threads and on two of one; with --peer"
            + " beside PyTorch (eager, compiled, divided over gloo), taking turns, and the demo"
            + " model's sampling run. Results must agree. --size, --dtype and --runs (rounds) make"
            + " it shorter; all of it takes half an hour")
        .formatted(sizes.channels(), sizes.pairs(), sizes.textTokens());
  }

  @Override
  public List<Figure> run(BenchOptions options) {
    StepOptions step = options.step();
    Optional<String> missing =
        step.hasPeer()
            ? TorchPeer.whyMissing(step.python())
            : Optional.of("Nothing is compared with PyTorch: --peer was not given.");
    missing.ifPresent(options.notes());
    Path root = home == null && missing.isEmpty() ? WholeModel.home() : home;
    List<Figure> figures = new ArrayList<>();
    try (TemporaryFolder folder = TemporaryFolder.create()) {
      Path dit = folder.path().resolve("model");
      RandomModel model = sizes.model();
      model.write(dit, DType.F32, RandomModel.SHARD_BYTES, options.seed());
      var comparison =
          new StepComparison(
              sizes, options, missing.isEmpty() ? root : null, folder.path(), figures::add);
      for (DType type : types(options)) {
        comparison.compareStep(type, dit, model);
      }
      if (!step.types().equals(List.of(DType.BF16))) {
        comparison.compareTwoWorkers(dit, model);
        comparison.compareDemo();
      }
    }
    return figures;
  }

  private static List<DType> types(BenchOptions options) {
    List<DType> asked = options.step().types();
    List<DType> types = asked.isEmpty() ? List.of(DType.F32, DType.BF16) : asked;
    if (types.contains(DType.BF16) && !LoadBenchmark.hasBfloat16()) {
      options.notes().accept("step.bf16 is left out: this processor has no products of bfloat16.");
      return types.stream().filter(type -> type != DType.BF16).toList();
    }
    return types;
  }
}
