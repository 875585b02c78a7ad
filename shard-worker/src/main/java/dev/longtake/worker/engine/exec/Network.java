package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.model.FinalLayer;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Position;
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
  private final Modulators modulators;
  private final Embedding embedding;
  private final Positions positions;
  private final Attentions attentions;
  private final JointSequence sequence;
  private final JobRows job;
  private final Staging staging;
  private final SplitSwitch splitSwitch;
  private final KeyValueGather gather;
  private final HeadExchange headExchange;
  private final TokenLink link;
  private final List<String> conditionLabels;
  private final List<String> stepLabels;
  private final LaneTrace trace;

  /** Instructions of the step up to the end of the first block, where its change decides about what follows; else 0. */
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
    conditionLabels = program.condition().stream().map(Labels::of).toList();
    stepLabels = program.step().stream().map(Labels::of).toList();
    beginning =
        1
            + program.step().stream()
                .map(Instruction::getClass)
                .toList()
                .indexOf(Instruction.EndFirstBlock.class);
    job = new JobRows(program, geometry, condition);
    sequence = job.sequence();
    split = program.start();
    layout = job.layout(split);
    this.tap = tap;
    taps = new Taps(tap, sequence.packedText(geometry.rank()));
    this.texts =
        new LaneTexts(condition, texts, new TextProjector(device, program, weights, trace));
    buffers = new Buffers(device.memory(), program, job, condition);
    StepCache opened = null;
    try {
      opened = new StepCache(device.memory(), program, job, weights.blockType());
      stepCache = opened;
      vectors = new Vectors(device, weights, buffers, condition, model, tap);
      modulators = new Modulators(device, model, buffers, vectors);
      embedding = new Embedding(device, model, weights, geometry, condition, buffers, this.texts);
      positions = new Positions(device, model, weights, geometry, condition, buffers);
      attentions =
          new Attentions(
              device, model, weights, geometry, buffers, this.texts, positions, sequence, taps);
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
    run(program.condition(), conditionLabels, /* step= */ null, "condition");
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
    run(program.step().subList(0, beginning), stepLabels, input, place);
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
    List<Instruction> rest = program.step().subList(beginning, program.step().size());
    run(rest, stepLabels.subList(beginning, stepLabels.size()), input, place);
    return program.predicts() ? buffers.prediction(layout.patchRows()) : residual();
  }

  private void run(
      List<Instruction> instructions, List<String> labels, @Nullable StepInput step, String place) {
    for (int i = 0; i < instructions.size(); i++) {
      trace.begin(labels.get(i));
      if (instructions.get(i) instanceof Instruction.Reuse(Kept kept) && isTakenOver(kept)) {
        putBack(kept);
        i = instructions.indexOf(new Instruction.Keep(kept));
      } else {
        execute(instructions.get(i), step, place);
      }
      trace.pause();
    }
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
    Matrix all =
        input.value().equals(Value.WIDE)
            ? buffers.wide(layout.rows(), input.columns(), weights.blockType())
            : attentions.result(input.value(), layout);
    return rows(all, input.stream());
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
              attentions.ownKeyValue(layout),
              layout,
              split,
              buffers.keyValue(sequence.rows()),
              at(place, all.place()));
      case Instruction.ScatterHeads scatter ->
          headExchange.scatter(
              attentions.qkv(layout),
              layout,
              split,
              buffers.heads(sequence.rows()),
              at(place, scatter.place()));
      case Instruction.CollectHeads collect -> collectHeads(collect, place);
      case Instruction.ReceiveTokens receive ->
          link.receive(tokens(receive.value()), at(place, receive.place()));
      case Instruction.SendTokens send -> link.send(tokens(send.value()), at(place, send.place()));
      case Instruction.Reuse _ -> {}
      case Instruction.Keep(Kept kept) -> keep(kept);
      case Instruction.Attend attend -> {
        if (attend.keys().equals(Value.HEADS)) {
          attentions.attendHeads(attend);
        } else if (layout.rows() > 0) {
          attentions.attend(attend, layout);
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
        embedding.patches(embed.layer(), latents(step), residual(Stream.PATCHES));
        take("patch_embed", Stream.PATCHES);
      }
      case Instruction.EmbedReference embed -> {
        Matrix residual = residual(Stream.PATCHES);
        Matrix in = embedding.reference(embed.layer(), required(step).reference(), residual);
        if (taps.wants(embed.layer())) {
          takeProduct(embed.layer(), weights.linear(embed.layer()), Stream.PATCHES, in);
        }
      }
      case Instruction.EmbedText _ -> embedding.text(residual(Stream.ALL), layout);
      case Instruction.AddPosition add -> addPosition(add);
      case Instruction.Mark mark ->
          take(mark.name(), layout.text().isEmpty() ? Stream.PATCHES : Stream.ALL);
      case Instruction.Modulate modulate -> modulate(modulate);
      case Instruction.ReadWithPosition read -> readWithPosition(read);
      case Instruction.Project project -> project(project);
      case Instruction.ProjectHidden project -> projectHidden(project);
      case Instruction.NormRotate norm -> attentions.normRotate(norm, layout);
      case Instruction.ReduceKeyValue reduce -> attentions.reduce(reduce, layout);
      case Instruction.AttendText attend -> attentions.attendText(attend.keyValueLayer(), layout);
      case Instruction.AddProjection add -> addProjection(add);
      case Instruction.BeginFirstBlock _ -> stepCache.firstBlock().begin(device, residual());
      case Instruction.EndFirstBlock _ -> stepCache.firstBlock().end(device, residual());
      case Instruction.BeginRest _ -> {
        stepCache.firstBlock().remember();
        device.copy(residual(), stepCache.rest(residual()));
      }
      case Instruction.ProjectFinal last -> projectFinal(last.layer());
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
  private Matrix tokens(Value value) {
    return value.equals(Value.REST) ? stepCache.rest(residual()) : residual();
  }

  private Matrix residual() {
    return buffers.residual(layout.rows());
  }

  private Matrix residual(Stream stream) {
    return rows(residual(), stream);
  }

  private Matrix rows(Matrix all, Stream stream) {
    Range range = layout.rows(stream);
    return all.rows(range.start(), range.end());
  }

  private void addPosition(Instruction.AddPosition add) {
    addPosition(add, residual());
    if (taps.wants("pos_emb") && !(add.position() instanceof Position.Frames)) {
      int rows = layout.rows();
      try (var scratch = device.memory().allocate(4L * rows * model.channels(), "taps")) {
        Matrix alone = Matrix.dense(scratch, rows, model.channels(), DType.F32);
        addPosition(add, alone);
        taps.take("pos_emb", add.stream(), rows(alone, add.stream()), layout);
      }
    }
  }

  private void addPosition(Instruction.AddPosition add, Matrix all) {
    if (add.stream().hasText() && add.position() instanceof Position.Sequence ofSequence) {
      positions.addText(ofSequence, all, layout);
    }
    positions.add(add.position(), rows(all, Stream.PATCHES), layout);
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
      Matrix from = isResidual ? residual() : buffers.narrow(layout.rows(), type);
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
    Matrix result = attentions.result(collect.result(), layout);
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

  private void modulate(Instruction.Modulate instruction) {
    Matrix out = buffers.narrow(layout.rows(), weights.blockType());
    modulators.modulate(residual(), out, instruction.stream(), instruction.modulation(), layout);
    taps.take(instruction.name(), instruction.stream(), rows(out, instruction.stream()), layout);
  }

  private void readWithPosition(Instruction.ReadWithPosition instruction) {
    Matrix sum = buffers.wide(layout.rows(), model.channels(), DType.F32);
    device.copy(residual(), sum);
    if (instruction.position() != null) {
      positions.add(instruction.position(), rows(sum, Stream.PATCHES), layout);
    }
    taps.take(instruction.name(), Stream.PATCHES, rows(sum, Stream.PATCHES), layout);
    device.activate(sum, buffers.narrow(layout.rows(), weights.blockType()), Activation.NONE);
  }

  private void project(Instruction.Project instruction) {
    PackedLinear layer = weights.linear(instruction.layer());
    Stream stream = instruction.stream();
    Matrix in = rows(input(instruction.input(), layer), stream);
    // Only the MLP's hidden layer is read by a product again; q, k and v stay exact.
    DType type = instruction.activation() == Activation.NONE ? DType.F32 : weights.blockType();
    Matrix out = rows(buffers.wide(layout.rows(), layer.outputColumns(), type), stream);
    device.linear(layer, in, out, instruction.activation());
    taps.take(instruction.layer(), stream, out, layout);
  }

  private void projectHidden(Instruction.ProjectHidden instruction) {
    PackedLinear layer = weights.linear(instruction.layer());
    Matrix hidden = buffers.hidden(layout.rows(), weights.blockType());
    int channels = model.channels();
    device.linear(
        layer,
        buffers.narrow(layout.rows(), layer.inputType()),
        hidden.columns(channels, channels + layer.outputColumns()),
        Activation.GELU_TANH);
  }

  /** The matrix a product reads, all rows, cast where the value has another type. */
  private Matrix input(Value value, PackedLinear layer) {
    int rows = layout.rows();
    if (value.equals(Value.NARROW)) {
      return buffers.narrow(rows, layer.inputType());
    }
    if (value.equals(Value.WIDE)) {
      return buffers.wide(rows, layer.inputColumns(), layer.inputType());
    }
    if (value.equals(Value.HIDDEN)) {
      return buffers.hidden(rows, layer.inputType()).columns(0, layer.inputColumns());
    }
    if (layer.inputType() == DType.F32) {
      return residual();
    }
    Matrix cast = buffers.narrow(rows, layer.inputType());
    device.activate(residual(), cast, Activation.NONE);
    return cast;
  }

  private void addProjection(Instruction.AddProjection instruction) {
    PackedLinear layer = weights.linear(instruction.layer());
    Stream stream = instruction.stream();
    Matrix in = input(instruction.input(), layer);
    taps.take(instruction.layer() + "_in", stream, rows(in, stream), layout);
    if (taps.wants(instruction.resultName())) {
      takeProduct(instruction.resultName(), layer, stream, rows(in, stream));
    }
    modulators.addProjection(layer, in, residual(), stream, instruction.gate(), layout);
    take(instruction.afterName(), stream);
  }

  /** The product never exists on its own in a run; for a tap it is computed once more. */
  private void takeProduct(String name, PackedLinear layer, Stream stream, Matrix in) {
    int columns = layer.outputColumns();
    try (var scratch = device.memory().allocate((long) in.rows() * columns * 4, "taps")) {
      Matrix product = Matrix.dense(scratch, in.rows(), columns, DType.F32);
      device.linear(layer, in, product, Activation.NONE);
      taps.take(name, stream, product, layout);
    }
  }

  private void projectFinal(FinalLayer layer) {
    take("final_in", Stream.PATCHES);
    Matrix normed = buffers.narrow(layout.rows(), DType.F32);
    modulators.modulateFinal(residual(), normed, layer, layout);
    Matrix prediction = buffers.prediction(layout.patchRows());
    device.linear(
        weights.linear(layer.layer()), rows(normed, Stream.PATCHES), prediction, Activation.NONE);
    taps.take("final_layer", Stream.PATCHES, prediction, layout);
  }

  private void take(String name, Stream stream) {
    taps.take(name, stream, residual(stream), layout);
  }

  @Override
  public void close() {
    staging.close();
    texts.close();
    stepCache.close();
    buffers.close();
  }
}
