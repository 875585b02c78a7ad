package dev.longtake.worker.conformance;

import dev.longtake.v1.SamplingTask;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/** How one project's sampling runs are written down. */
interface SamplerFormat {
  /** The training's timesteps in all of them. */
  int TIMESTEPS = 1000;

  /** Evaluations of the network. */
  int steps(GoldenRun run);

  /** What to run, without what to capture. */
  SamplingTask.Builder task(GoldenRun run);

  /** What the engine calls a tensor that the reference has for every step. */
  default String engineName(String name) {
    return name.equals("v_pred") ? "guided_pred" : name;
  }

  /** The engine's tensors that a reference tensor is made of, in order. */
  default List<String> captures(GoldenRun run, String name) {
    return switch (name) {
      case "final" -> List.of(name);
      case "model_out_step0" -> List.of("model_out/0");
      default ->
          IntStream.range(0, steps(run)).mapToObj(step -> engineName(name) + "/" + step).toList();
    };
  }

  /** These tensors in the reference's layout; by default one behind the other. */
  default float[] arrange(GoldenRun run, String name, List<Captured> captured) {
    return GoldenLatents.concatenate(captured.stream().map(Captured::values).toList());
  }

  /** What is computed on the host, such as a table of the schedule. */
  default Optional<float[]> table(GoldenRun run, String name) {
    return Optional.empty();
  }

  /** The tolerance on a tensor, given the usual one. */
  default double tolerance(String name, double usual) {
    return usual;
  }
}
