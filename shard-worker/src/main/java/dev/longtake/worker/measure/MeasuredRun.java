package dev.longtake.worker.measure;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.exec.Branch;
import dev.longtake.worker.engine.exec.Condition;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.exec.Neighbours;
import dev.longtake.worker.engine.exec.Network;
import dev.longtake.worker.engine.exec.StepInput;
import dev.longtake.worker.engine.exec.Tap;
import dev.longtake.worker.engine.exec.TextRow;
import dev.longtake.worker.engine.exec.Weights;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.TextInput;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.sampler.ClipRows;
import dev.longtake.worker.engine.trace.RankTrace;
import dev.longtake.worker.engine.trace.Span;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Steps of a small model on one clip, timed instruction by instruction. Owns its memory on the device, not the weights. */
final class MeasuredRun implements AutoCloseable {
  /** All rounds of both sizes together; after it the compiler has seen the kernels often enough. */
  private static final long BUDGET_NANOS = 1_500_000_000L;

  private static final int MIN_ROUNDS = 4;
  private static final int MAX_ROUNDS = 400;

  private final Device device;
  private final RankTrace trace = new RankTrace(1);
  private final Network network;
  private final DeviceBuffer buffer;
  private final StepInput input;
  private final MeasuredClip clip;
  private final int textTokens;
  private final boolean textInSequence;
  private final List<Round> rounds = new ArrayList<>();

  private record Round(long nanos, List<Span> spans) {}

  MeasuredRun(Device device, Program program, Weights weights, MeasuredClip clip) {
    this.device = device;
    this.clip = clip;
    ModelDescription model = program.model();
    Geometry geometry = clip.geometry(model.patches().size());
    TextInput text = model.text();
    // Half of what the model takes is nearer to real prompts than all of it.
    textTokens = text == null ? 0 : Math.ceilDiv(text.maxTokens(), 2);
    textInSequence = model.textIsSequence();
    network =
        new Network(
            device,
            program,
            weights,
            geometry,
            condition(model),
            Neighbours.sequence(Exchange.solo()),
            Tap.NONE,
            trace.lane(0));
    ClipRows latents = new ClipRows(geometry, 1, model.latentChannels());
    try {
      buffer = latents.allocate(device);
    } catch (Throwable e) {
      network.close();
      throw e;
    }
    input = new StepInput(latents.in(buffer), new float[] {1}, null, null);
    network.prepare();
    var _ = trace.take();
  }

  private Condition condition(ModelDescription model) {
    TextInput text = model.text();
    TextRow row =
        text == null
            ? new TextRow.None()
            : new TextRow.Encoded(new float[textTokens * text.channels()], textTokens);
    var pooled = model.pooledText();
    return new Condition(
        List.of(
            new Branch(
                /* sample= */ 0,
                row,
                pooled == null ? null : new float[pooled.channels()],
                /* classLabel= */ null,
                new Branch.Scalars(8, 64, 64, 1, 16, 1),
                textTokens,
                /* paddedSequence= */ 0)),
        /* frameMasks= */ false);
  }

  /** Rounds of both, one after the other, so that both see the same machine. */
  static void alternate(MeasuredRun small, MeasuredRun large) {
    long start = System.nanoTime();
    for (int round = 0; round < MAX_ROUNDS; round++) {
      small.round();
      large.round();
      if (round >= MIN_ROUNDS && System.nanoTime() - start > BUDGET_NANOS) {
        return;
      }
    }
  }

  private void round() {
    long start = System.nanoTime();
    var _ = network.step(input, "measurement");
    rounds.add(new Round(System.nanoTime() - start, trace.take()));
  }

  /** Of the median round of the later half. */
  List<Span> spans() {
    List<Round> later = new ArrayList<>(rounds.subList(rounds.size() / 2, rounds.size()));
    later.sort(Comparator.comparingLong(Round::nanos));
    return later.get(later.size() / 2).spans;
  }

  MeasuredClip clip() {
    return clip;
  }

  int textTokens() {
    return textTokens;
  }

  long patchTokens() {
    return clip.tokens();
  }

  /** Tokens of the network. */
  double tokens() {
    return clip.tokens() + (textInSequence ? textTokens : 0);
  }

  /** Out to host memory or back in. */
  double stagingSecondsPerByte() {
    long bytes = Math.min(buffer.sizeBytes(), 8L << 20);
    int columns = Math.toIntExact(bytes / Float.BYTES);
    try (Arena arena = Arena.ofShared()) {
      MemorySegment host = arena.allocate((long) columns * Float.BYTES, 64);
      Matrix all = Matrix.dense(buffer, 1, columns, DType.F32);
      long best = Long.MAX_VALUE;
      for (int round = 0; round < MIN_ROUNDS; round++) {
        long start = System.nanoTime();
        device.download(all, host);
        device.upload(host, all);
        best = Math.min(best, System.nanoTime() - start);
      }
      return best / 1e9 / (2.0 * host.byteSize());
    }
  }

  @Override
  public void close() {
    buffer.close();
    network.close();
  }
}
