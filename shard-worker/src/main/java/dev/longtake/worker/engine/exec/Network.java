package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Stream;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Instruction.Kept;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.Split;
import dev.longtake.worker.engine.program.Value;
import dev.longtake.worker.engine.reuse.StepReuse;
import dev.longtake.worker.engine.trace.LaneTrace;
import dev.longtake.worker.engine.wire.Wire;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The executor: one rank's share of some rows of one job. It runs the program's condition part once and its step part for every
 * denoising step, and its text part where no job before has left what that makes; there is no other executor, for one worker or for many.
 * One thread at a time, which has the device to itself except during exchanges. Owns its buffers, not the weights, the device or the
 * exchange.
 */
public final class Network implements AutoCloseable {
  private final Device device;
  private final Program program;
  private final ModelDescription model;
  private final Weights weights;
  private final Condition condition;
  private final Tap tap;
  private final Taps taps;
  private final LaneTexts texts;
  private final Buffers buffers;
  private final StepCache stepCache;
  private final Vectors vectors;
  private final Embedding embedding;
  private final Positions positions;
  private final Attentions attentions;
  private final TokenInstructions tokenInstructions;
  private final PieceRunner pieceRunner;
  private final JointSequence sequence;
  private final JobRows job;
  private final Staging staging;
  private final SplitSwitch splitSwitch;
  private final KeyValueGather gather;
  private final HeadExchange headExchange;
  private final TokenLink link;
  private final List<Passage> passages;
  private final LaneTrace trace;

  /** Passages of the step up to the end of the first block, where its change decides about what follows; else 0. */
  private final int beginning;

  private StepReuse reuse = StepReuse.NONE;
  private boolean reusesRest;
  private Split split;
  private TokenLayout layout;

  /**
   * Allocates everything the job needs, so that a job that does not fit fails before its first step.
   *
   * @param texts where prepared texts come from
   * @param neighbours whose exchanges let others compute, see {@link dev.longtake.worker.engine.LaneExchange}
   * @param trace hears of every instruction
   */
  public Network(
      Device device,
      Program program,
      Weights weights,
      Geometry geometry,
      Condition condition,
      PreparedTexts texts,
      Neighbours neighbours,
      Tap tap,
      LaneTrace trace) {
    this.device = device;
    this.program = program;
    this.model = program.model();
    this.weights = weights;
    this.condition = condition;
    this.trace = trace;
    job = new JobRows(program, geometry, condition);
    passages = Passage.of(program, job, device.grain());
    beginning =
        1
            + passages.stream()
                .map(passage -> passage.only().getClass())
                .toList()
                .indexOf(Instruction.EndFirstBlock.class);
    sequence = job.sequence();
    split = program.start();
    layout = job.layout(split);
    this.tap = tap;
    taps = new Taps(tap, sequence.packedText(geometry.rank()));
    this.texts =
        new LaneTexts(condition, texts, new TextProjector(device, program, weights, trace));
    buffers = new Buffers(device.memory(), program, job, passages, condition);
    StepCache opened = null;
    try {
      opened = new StepCache(device.memory(), program, job, weights.blockType());
      stepCache = opened;
      vectors = new Vectors(device, weights, buffers, condition, model, tap);
      var modulators = new Modulators(model, buffers, vectors);
      embedding = new Embedding(device, model, weights, geometry, condition, this.texts);
      positions = new Positions(device, model, weights, geometry, condition, buffers);
      attentions =
          new Attentions(
              device, model, weights, geometry, buffers, this.texts, positions, sequence, taps);
      tokenInstructions =
          new TokenInstructions(device, model, weights, modulators, positions, attentions, taps);
      pieceRunner = new PieceRunner(device, buffers, tokenInstructions, taps, trace);
      staging = new Staging(job.stage());
    } catch (Throwable e) {
      if (opened != null) {
        opened.close();
      }
      buffers.close();
      throw e;
    }
    Exchange ranks = neighbours.sequence();
    var wire = new Wire(neighbours.wireFormat());
    splitSwitch = new SplitSwitch(device, geometry, ranks, wire, staging);
    gather = new KeyValueGather(device, geometry, sequence, ranks, wire, staging);
    headExchange =
        new HeadExchange(
            device, geometry, sequence, ranks, wire, staging, model.heads(), model.headDimension());
    link = new TokenLink(device, neighbours, wire, staging);
  }

  /** Gets the texts, and runs what else depends on the condition alone. Call once, before the first step. */
  public void prepare() {
    texts.prepare();
    texts.offerTo(tap);
    vectors.uploadConditions();
    vectors.begin(new float[condition.count()]);
    for (Instruction instruction : program.condition()) {
      runOnce(instruction, Labels.of(instruction), /* step= */ null, "condition");
    }
  }

  /**
   * Evaluates the network once; all of it is computed, unless the input says which operations are not.
   *
   * @param input for the first stage with latents
   * @param place for errors: {@code "step 3"}
   * @return of the last stage the prediction for this rank's latent frames: rows {@code [branch, frame, patch]}, columns {@code
   *     [patch volume * output channels]} in the model's order; valid until the next call
   */
  public Matrix step(StepInput input, String place) {
    begin(input, place);
    return end(input, place, /* takesRestOver= */ false);
  }

  /** Begins an evaluation: runs the first block of a first-block cache, if this is its stage. */
  public void begin(StepInput input, String place) {
    vectors.begin(input.timesteps());
    vectors.select(input.generated());
    enter(program.start());
    reuse = input.reuse();
    run(passages.subList(0, beginning), input, place);
  }

  /** How the first block has changed the tokens, where this is its stage. */
  public ChangeSums firstBlockChange() {
    return beginning == 0 ? ChangeSums.NONE : stepCache.firstBlock().compare(device, residual());
  }

  /**
   * Ends an evaluation; see {@link #step}.
   *
   * @param takesRestOver whether what the blocks behind the first one add is that of an earlier step
   */
  public Matrix end(StepInput input, String place, boolean takesRestOver) {
    reusesRest = takesRestOver;
    run(passages.subList(beginning, passages.size()), input, place);
    return program.predicts() ? buffers.prediction(layout.patchRows()) : residual();
  }

  private void run(List<Passage> all, StepInput step, String place) {
    for (int i = 0; i < all.size(); i++) {
      Passage passage = all.get(i);
      Cutting cutting = passage.cutting();
      if (cutting != null) {
        runPieces(passage, cutting);
      } else if (passage.only() instanceof Instruction.Reuse(Kept kept) && isTakenOver(kept)) {
        trace.begin(passage.labels().getFirst());
        putBack(kept);
        trace.pause();
        i = end(all, kept);
      } else {
        runOnce(passage.only(), passage.labels().getFirst(), step, place);
      }
    }
  }

  /** Where the part ends that makes what is kept. */
  private static int end(List<Passage> all, Kept kept) {
    return all.stream().map(Passage::only).toList().indexOf(new Instruction.Keep(kept));
  }

  private void runPieces(Passage passage, Cutting cutting) {
    if (layout.rows() > 0) {
      positions.load(passage.region().instructions());
      pieceRunner.run(passage, cutting, tokens());
    }
  }

  private void runOnce(
      Instruction instruction, String label, @Nullable StepInput step, String place) {
    trace.begin(label);
    execute(instruction, step, place);
    trace.pause();
  }

  private boolean isTakenOver(Kept kept) {
    return switch (kept) {
      case Kept.Input input -> reuse.reused().contains(input.operation());
      case Kept.Rest _, Kept.Nothing _ -> reusesRest;
    };
  }

  private void putBack(Kept kept) {
    switch (kept) {
      case Kept.Input input -> stepCache.putBack(device, input, value(input));
      case Kept.Rest _ -> stepCache.addRest(device, residual());
      case Kept.Nothing _ -> {}
    }
  }

  private void keep(Kept kept) {
    switch (kept) {
      case Kept.Input input -> {
        if (reuse.kept().contains(input.operation())) {
          stepCache.keep(device, input, value(input));
        }
      }
      case Kept.Rest _ -> stepCache.keepRest(device, residual());
      case Kept.Nothing _ -> {}
    }
  }

  /** What an operation's last product reads. */
  private Matrix value(Kept.Input input) {
    Tokens tokens = tokens();
    Matrix all =
        input.value().equals(Value.WIDE)
            ? tokens.wide(input.columns(), weights.blockType())
            : attentions.result(input.value(), tokens);
    return tokens.rows(all, input.stream());
  }

  /** All that this rank holds. */
  private Tokens tokens() {
    Matrix prediction = program.predicts() ? buffers.prediction(layout.patchRows()) : null;
    return new Tokens(device, layout, residual(), prediction, buffers.values());
  }

  private void enter(Split entered) {
    split = entered;
    layout = job.layout(entered);
  }

  private void execute(Instruction instruction, @Nullable StepInput step, String place) {
    switch (instruction) {
      case Instruction.ProjectText _, Instruction.ProjectKeyValue _ ->
          throw new IllegalStateException("Expected texts to be prepared, but got " + instruction);
      case Instruction.ComputeVector vector -> vectors.compute(vector.op());
      case Instruction.AddTable table -> vectors.addTable(table);
      case Instruction.SwitchSplit change -> switchSplit(change, place);
      case Instruction.GatherKeyValue all ->
          gather.run(
              attentions.ownKeyValue(tokens()),
              layout,
              split,
              buffers.keyValue(sequence.rows()),
              at(place, all.place()));
      case Instruction.ScatterHeads scatter ->
          headExchange.scatter(
              attentions.qkv(tokens()),
              layout,
              split,
              buffers.heads(sequence.rows()),
              at(place, scatter.place()));
      case Instruction.CollectHeads collect -> collectHeads(collect, place);
      case Instruction.ReceiveTokens receive ->
          link.receive(sent(receive.value()), at(place, receive.place()));
      case Instruction.SendTokens send -> link.send(sent(send.value()), at(place, send.place()));
      case Instruction.Reuse _ -> {}
      case Instruction.Keep(Kept kept) -> keep(kept);
      case Instruction.Attend attend -> {
        if (attend.keys().equals(Value.HEADS)) {
          attentions.attendHeads(attend);
        } else if (layout.rows() > 0) {
          attentions.attend(attend, tokens());
        }
      }
      case Instruction.OnTokens onTokens -> {
        if (layout.rows() > 0) {
          execute(onTokens, step);
        }
      }
    }
  }

  private void execute(Instruction.OnTokens instruction, @Nullable StepInput step) {
    switch (instruction) {
      case Instruction.EmbedPatches embed -> {
        embedding.patches(embed.layer(), latents(step), tokens());
        tokenInstructions.take("patch_embed", Stream.PATCHES, tokens());
      }
      case Instruction.EmbedReference embed -> {
        Matrix in = embedding.reference(embed.layer(), required(step).reference(), tokens());
        if (taps.wants(embed.layer())) {
          PackedLinear layer = weights.linear(embed.layer());
          tokenInstructions.takeProduct(embed.layer(), layer, Stream.PATCHES, in, tokens());
        }
      }
      case Instruction.EmbedText _ -> embedding.text(residual(), layout);
      case Instruction.BeginFirstBlock _ -> stepCache.firstBlock().begin(device, residual());
      case Instruction.EndFirstBlock _ -> stepCache.firstBlock().end(device, residual());
      case Instruction.BeginRest _ -> {
        stepCache.firstBlock().remember();
        device.copy(residual(), stepCache.rest(residual()));
      }
      default -> tokenInstructions.execute(instruction, tokens());
    }
  }

  private static StepInput required(@Nullable StepInput step) {
    if (step == null) {
      throw new IllegalStateException("Expected latents to vary from step to step");
    }
    return step;
  }

  private static Matrix latents(@Nullable StepInput step) {
    Matrix latents = required(step).latents();
    if (latents == null) {
      throw new IllegalStateException("Expected the first stage to have latents");
    }
    return latents;
  }

  private static String at(String place, String instruction) {
    return place + ", " + instruction;
  }

  /** What goes from stage to stage. */
  private Matrix sent(Value value) {
    return value.equals(Value.REST) ? stepCache.rest(residual()) : residual();
  }

  private Matrix residual() {
    return buffers.residual(layout.rows());
  }

  private Matrix rows(Matrix all, Stream stream) {
    Range range = layout.rows(stream);
    return all.rows(range.start(), range.end());
  }

  private void switchSplit(Instruction.SwitchSplit change, String place) {
    String what = at(place, change.place());
    TokenLayout target = job.layout(change.to());
    if (change.value().equals(Value.PREDICTION)) {
      splitSwitch.run(
          buffers.prediction(layout.patchRows()),
          change.from(),
          buffers.predictionSpare(target.patchRows()),
          change.to(),
          what);
    } else {
      boolean isResidual = change.value().equals(Value.RESIDUAL);
      DType type = weights.blockType();
      Matrix from = isResidual ? residual() : tokens().narrow(type);
      Matrix to =
          isResidual
              ? buffers.residualSpare(target.rows())
              : buffers.narrowSpare(target.rows(), type);
      Range text = layout.rows(Stream.TEXT);
      if (!text.isEmpty()) {
        device.copy(rows(from, Stream.TEXT), to.rows(text.start(), text.end()));
      }
      splitSwitch.run(
          rows(from, Stream.PATCHES),
          change.from(),
          to.rows(text.end(), target.rows()),
          change.to(),
          what);
    }
    buffers.swap(change.value());
    enter(change.to());
  }

  private void collectHeads(Instruction.CollectHeads collect, String place) {
    Matrix result = attentions.result(collect.result(), tokens());
    headExchange.collect(
        buffers.headsResult(sequence.rows(), weights.blockType()),
        result,
        layout,
        split,
        at(place, collect.place()));
    if (layout.rows() > 0) {
      taps.take(collect.name() + "_result", collect.stream(), result, layout);
    }
  }

  @Override
  public void close() {
    staging.close();
    texts.close();
    stepCache.close();
    buffers.close();
  }
}
