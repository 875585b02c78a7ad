package dev.longtake.ops.bench;

import static dev.longtake.ops.bench.CacheBenchmark.count;
import static dev.longtake.ops.bench.CacheBenchmark.figure;

import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.tensor.DType;
import dev.longtake.ops.model.RandomModel;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.engine.exec.PreparedText;
import dev.longtake.worker.engine.exec.TextProjector;
import dev.longtake.worker.engine.exec.TextRow;
import dev.longtake.worker.engine.exec.Weights;
import dev.longtake.worker.engine.loading.OpenModel;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.LinearSpec;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.trace.RankTrace;
import dev.longtake.worker.media.TextEncoder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** What a prompt costs that no cache has seen, by arithmetic of the program and by the clock, for two sizes of model. */
final class CacheSavings {
  private static final int ROUNDS = 5;
  private static final int FULL_TOKENS = 300;
  private static final String PROMPT = "a red circle moving right on a black background";

  /** Open-Sora 1.2's 720p, 4 s, two rows of the batch: latent frames and patches of a frame. */
  private static final double FRAMES = 30;

  private static final double PATCHES = 3600;

  private CacheSavings() {}

  static List<Figure> measure(Path model, Consumer<String> notes) {
    List<Figure> figures = new ArrayList<>();
    ModelFolder folder = ModelFolder.open(model);
    int tokens;
    try (TextEncoder encoder =
        TextEncoder.open(folder, Runtime.getRuntime().availableProcessors())) {
      tokens = encoder.encode(PROMPT).tokens();
      figures.add(
          figure(
              "saving.demo.encoder_millis",
              millis(() -> encoder.encode(PROMPT)),
              "ms",
              Goal.none()));
    }
    try (OpenModel open = OpenModel.open(folder)) {
      Program program = Program.compile(open.description(), /* sequenceRanks= */ 1);
      figures.addAll(of("saving.demo", program, tokens, open));
    }
    Program full = RandomModel.stdit3Full().program();
    figures.addAll(of("saving.stdit3_full", full, FULL_TOKENS, /* model= */ null));
    double share = flops(full, FULL_TOKENS) / stepFlops(full);
    figures.add(figure("saving.stdit3_full.percent_of_720p_step", 100 * share, "%", Goal.none()));
    notes.accept(
        String.format(
            Locale.ROOT,
            "Where it does not matter: at 720p and 4 s a prompt's projections are %.4f %% of one"
                + " step's operations, and they are made once per job anyway; what counts there"
                + " is the text encoder that does not run. Its time at that size was not measured"
                + " here.",
            100 * share));
    return figures;
  }

  private static List<Figure> of(
      String name, Program program, int tokens, @Nullable OpenModel model) {
    Program text = textPart(program);
    double millis;
    try (Device device =
            CpuDevice.open(Runtime.getRuntime().availableProcessors(), Long.MAX_VALUE);
        Weights weights =
            Weights.load(
                device,
                model == null ? new RandomCheckpoint(text) : model.weights(),
                text,
                DType.F32)) {
      TextProjector projector = new TextProjector(device, text, weights, new RankTrace(1).lane(0));
      TextRow row = new TextRow.Encoded(new float[tokens * textChannels(text)], tokens);
      millis = millis(() -> projector.prepare(row).close());
    }
    return List.of(
        figure(name + ".tokens", tokens, "tokens", Goal.none()),
        figure(name + ".projection_flops", flops(text, tokens), "flop", Goal.none()),
        count(name + ".bytes", PreparedText.sizeBytes(text, tokens), "bytes", Goal.none()),
        figure(name + ".projection_millis", millis, "ms", Goal.none()));
  }

  private static int textChannels(Program program) {
    var text = program.model().text();
    return text == null ? 0 : text.channels();
  }

  /** What reads an encoded text, with the weights for it and no others. */
  private static Program textPart(Program program) {
    Set<String> layers = new HashSet<>();
    for (Instruction instruction : program.text()) {
      if (instruction instanceof Instruction.ProjectText project) {
        layers.addAll(project.layers());
      } else if (instruction instanceof Instruction.ProjectKeyValue project) {
        layers.add(project.layer());
      }
    }
    return new Program(
        program.model(),
        program.start(),
        program.text(),
        List.of(),
        List.of(),
        program.linears().stream().filter(linear -> layers.contains(linear.layer())).toList(),
        List.of());
  }

  /** A multiply-add is two. */
  private static double flops(Program program, int tokens) {
    double flops = 0;
    for (LinearSpec linear : textPart(program).linears()) {
      flops += 2.0 * tokens * linear.inputColumns() * linear.outputColumns();
    }
    return flops;
  }

  /** Of one step of both rows: per token and pair of blocks 56 C^2 for products, 4 S C and 4 T C for self-attention, 8 * 300 C for text. */
  private static double stepFlops(Program program) {
    double channels = program.model().channels();
    double pairs = program.model().blocks().size() / 2.0;
    double perToken =
        56 * channels * channels
            + 4 * PATCHES * channels
            + 4 * FRAMES * channels
            + 8 * FULL_TOKENS * channels;
    return pairs * 2 * FRAMES * PATCHES * perToken;
  }

  private static double millis(Runnable work) {
    List<Double> rounds = new ArrayList<>();
    work.run();
    for (int round = 0; round < ROUNDS; round++) {
      long start = System.nanoTime();
      work.run();
      rounds.add((System.nanoTime() - start) / 1e6);
    }
    return Medians.of(rounds);
  }
}
