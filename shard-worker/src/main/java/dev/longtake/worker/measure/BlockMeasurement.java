package dev.longtake.worker.measure;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.tensor.DType;
import dev.longtake.v1.BlockTimes;
import dev.longtake.v1.MeasureBlocks;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Precision;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.engine.exec.Weights;
import dev.longtake.worker.engine.model.Block;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.trace.Span;
import java.util.List;

/**
 * Times the blocks of a model on this worker's device: a model of one block of each kind is run at two sizes, and what its
 * instructions take is divided among overhead, tokens and keys, see {@link KindFit}. The executor is the one that jobs use.
 */
public final class BlockMeasurement {
  /** A round at the larger size should take about this long; with less, products of wide models have too few rows to be typical. */
  private static final double ROUND_SECONDS = 0.4;

  /** What a thread is taken to do for choosing the size; only the sizes depend on it. */
  private static final double ASSUMED_FLOPS_OF_THREAD = 30e9;

  private static final long MIN_TOKENS = 64;
  private static final long MAX_TOKENS = 8192;

  private final Device device;
  private final ModelDescription model;
  private final ModelProfile profile;
  private final Checkpoint checkpoint;
  private final int threads;

  /**
   * Measurements of one model.
   *
   * @param threads that the device computes with
   */
  public BlockMeasurement(
      Device device,
      ModelDescription model,
      ModelProfile profile,
      Checkpoint checkpoint,
      int threads) {
    this.device = device;
    this.model = model;
    this.profile = profile;
    this.checkpoint = checkpoint;
    this.threads = threads;
  }

  /** Measures; the caller has the turn on the device. Loads the weights of the measured blocks and frees them. */
  public BlockTimes run(MeasureBlocks order, Precision precision, DType blockType) {
    List<Integer> firsts = BlockKinds.firsts(profile);
    List<Block> blocks = firsts.stream().map(model.blocks()::get).toList();
    Program program = Program.compile(BlockKinds.firstsOnly(model, profile), 1);
    MeasuredClip large =
        MeasuredClip.like(order.getTypical(), model.patches().size(), tokens(firsts));
    MeasuredClip small = large.smaller();
    BlockTimes.Builder times = BlockTimes.newBuilder().setPrecision(precision);
    try (Weights weights = Weights.load(device, checkpoint, program, blockType);
        MeasuredRun atSmall = new MeasuredRun(device, program, weights, small);
        MeasuredRun atLarge = new MeasuredRun(device, program, weights, large)) {
      MeasuredRun.alternate(atSmall, atLarge);
      for (int i = 0; i < blocks.size(); i++) {
        String name = blocks.get(i).name();
        KindFit fit =
            new KindFit(profile.getBlocks(firsts.get(i)), sums(atSmall, name), sums(atLarge, name));
        times.addKinds(fit.times());
      }
      KindFit.Line edge =
          KindFit.Line.through(
              atSmall.tokens(),
              edgeSeconds(atSmall, blocks),
              atLarge.tokens(),
              edgeSeconds(atLarge, blocks));
      return times
          .setEdgeSecondsPerToken(edge.slope())
          .setEdgeOverheadSeconds(edge.start())
          .setStagingSecondsPerByte(atLarge.stagingSecondsPerByte())
          .build();
    }
  }

  /** As many as one round has time for. */
  private long tokens(List<Integer> blocks) {
    long flops =
        blocks.stream().mapToLong(block -> profile.getBlocks(block).getFlopsPerToken()).sum();
    double tokens = ROUND_SECONDS * ASSUMED_FLOPS_OF_THREAD * threads / Math.max(1, flops);
    return Math.clamp((long) tokens, MIN_TOKENS, MAX_TOKENS);
  }

  private static KindFit.Sums sums(MeasuredRun run, String block) {
    double attention = 0;
    double text = 0;
    double other = 0;
    for (Span span : run.spans()) {
      if (isOf(span, block)) {
        double seconds = (span.endNanos() - span.startNanos()) / 1e9;
        if (span.name().startsWith("AttendText ")) {
          text += seconds;
        } else if (span.name().startsWith("Attend ")) {
          attention += seconds;
        } else {
          other += seconds;
        }
      }
    }
    return new KindFit.Sums(run, attention, text, other);
  }

  private static double edgeSeconds(MeasuredRun run, List<Block> blocks) {
    return run.spans().stream()
            .filter(span -> blocks.stream().noneMatch(block -> isOf(span, block.name())))
            .mapToLong(span -> span.endNanos() - span.startNanos())
            .sum()
        / 1e9;
  }

  /** Instructions of a block are labelled with the names of its layers. */
  private static boolean isOf(Span span, String block) {
    String place = span.name().substring(span.name().indexOf(' ') + 1);
    return place.startsWith(block + ".") || place.endsWith(" " + block);
  }
}
