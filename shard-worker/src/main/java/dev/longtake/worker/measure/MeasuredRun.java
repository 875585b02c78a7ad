package dev.longtake.worker.measure;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.exec.Branch;
import dev.longtake.worker.engine.exec.Condition;
import dev.longtake.worker.engine.exec.Floats;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.exec.Neighbours;
import dev.longtake.worker.engine.exec.Network;
import dev.longtake.worker.engine.exec.PreparedTexts;
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
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Steps of a small model on one clip, timed instruction by instruction. Owns its memory on the device, not the weights. */
final class MeasuredRun implements AutoCloseable {
  /** While the compiler still makes kernels faster, or a neighbour's start slows them down, rounds get faster. */
  private static final double FASTER = 0.97;

  /** Rounds end when for this long none was faster. */
  private static final long STEADY_NANOS = 1_000_000_000L;

  private static final long MAX_NANOS = 10_000_000_000L;
  private static final int MIN_ROUNDS = 4;

  private final Device device;
  private final RankTrace trace;
  private final Network network;
  private final DeviceBuffer buffer;
  private final Matrix latents;
  private final StepInput input;
  private final MeasuredClip clip;
  private final int textTokens;
  private final boolean textInSequence;
  private @Nullable Round fastest;

  private record Round(long nanos, List<Span> spans) {}

  MeasuredRun(Device device, Program program, Weights weights, MeasuredClip clip) {
    this.device = device;
    this.clip = clip;
    trace = new RankTrace(1, device::finish);
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
            PreparedTexts.UNSHARED,
            Neighbours.sequence(Exchange.solo()),
            Tap.NONE,
            trace.lane(0));
    ClipRows rows = new ClipRows(geometry, 1, model.latentChannels());
    try {
      buffer = rows.allocate(device);
    } catch (Throwable e) {
      network.close();
      throw e;
    }
    latents = rows.in(buffer);
    input = new StepInput(latents, new float[] {1}, null, null);
    try {
      network.prepare();
    } catch (Throwable e) {
      close();
      throw e;
    }
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

  /** Rounds of both, one after the other, so that both see the same machine, until neither gets faster. */
  static void alternate(MeasuredRun small, MeasuredRun large) {
    long start = System.nanoTime();
    long lastFaster = start;
    for (int round = 0; ; round++) {
      boolean smallFaster = small.round();
      boolean largeFaster = large.round();
      long now = System.nanoTime();
      lastFaster = smallFaster || largeFaster ? now : lastFaster;
      boolean isSteady = round >= MIN_ROUNDS && now - lastFaster > STEADY_NANOS;
      if (isSteady || now - start > MAX_NANOS) {
        return;
      }
    }
  }

  /** Returns whether it was clearly faster than all before. */
  private boolean round() {
    long start = System.nanoTime();
    var _ = network.step(input, "measurement");
    Round round = new Round(System.nanoTime() - start, trace.take());
    Round before = fastest;
    if (before != null && round.nanos >= before.nanos) {
      return false;
    }
    fastest = round;
    return before == null || round.nanos < FASTER * before.nanos;
  }

  /** What the network makes of latents between -1 and 1 that are the same each time. */
  float[] output() {
    float[] values = new float[latents.rows() * latents.columns()];
    for (int i = 0; i < values.length; i++) {
      values[i] = i * 37 % 101 / 50f - 1;
    }
    Floats.upload(device, values, latents);
    return Floats.download(device, network.step(input, "self-check"));
  }

  /** Of the fastest round: whatever else runs on the machine only ever adds time. */
  List<Span> spans() {
    Round round = fastest;
    if (round == null) {
      throw new IllegalStateException("Expected a round before its spans are asked for");
    }
    return round.spans;
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
        device.finish();
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
