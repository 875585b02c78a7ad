package dev.longtake.ops.bench;

import dev.longtake.common.checkpoint.Checkpoints;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.tensor.DType;
import dev.longtake.ops.model.RandomModel;
import dev.longtake.v1.ForwardRow;
import dev.longtake.v1.ForwardTask;
import dev.longtake.v1.Precision;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.WorkFinished;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.TextInput;
import dev.longtake.worker.engine.program.Program;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * How a full-size model gets into a worker: time against that of reading its files twice, memory against its weights. One worker,
 * which holds all blocks. Time is measured with the files in the system's cache both times, and, where the system can be made
 * to forget them, from the disk both times.
 */
final class LoadBenchmark implements Benchmark {
  private static final double TIME_GOAL = 1;
  private static final double MEMORY_GOAL = 1.15;
  private static final int READ_BYTES = 8 << 20;

  /** The smallest that loads and runs comfortably: the heap counts as resident memory. */
  private static final String HEAP = "128m";

  private static final int TEXT_TOKENS = 8;
  private static final int FRAMES = 2;
  private static final int SIDE = 16;

  @Override
  public String name() {
    return "load";
  }

  @Override
  public String description() {
    return "A worker process loads Open-Sora 1.2 at full size with random weights, or --model DIR,"
        + " in float32 and in bfloat16, and evaluates it once on a small clip: time against"
        + " reading the files twice, both from the system's cache and both from the disk;"
        + " resident memory against the weights. One worker holds all blocks. No bfloat16"
        + " where the processor has no products of it";
  }

  @Override
  public List<Figure> run(BenchOptions options) {
    try (TemporaryFolder folder = TemporaryFolder.create()) {
      Path model = options.model();
      if (model == null) {
        model = folder.path().resolve("model");
        RandomModel.stdit3Full().write(model, DType.F32, RandomModel.SHARD_BYTES, 1);
      }
      ModelFolder opened = ModelFolder.open(model);
      Program program = RandomModel.read(opened.dit().file()).program();
      List<Figure> figures = new ArrayList<>();
      // Once uncounted, so that all that follows finds the files in the cache.
      double bytes = (double) read(opened);
      figures.add(figure("file_bytes", bytes, "bytes", Goal.none()));
      measure(figures, "f32", Precision.PRECISION_F32, DType.F32, program, opened, folder.path());
      boolean hasBfloat16 = hasBfloat16();
      if (hasBfloat16) {
        measure(
            figures, "bf16", Precision.PRECISION_BF16, DType.BF16, program, opened, folder.path());
      }
      if (FileCache.canDrop()) {
        measureFromDisk(figures, "f32", Precision.PRECISION_F32, program, opened, folder.path());
        if (hasBfloat16) {
          measureFromDisk(
              figures, "bf16", Precision.PRECISION_BF16, program, opened, folder.path());
        }
      }
      return figures;
    }
  }

  /** Not every processor has products of bfloat16; where it has none, there is nothing to measure. */
  static boolean hasBfloat16() {
    try (Device device = CpuDevice.open(1, 1 << 20)) {
      return device.supports(DType.BF16);
    }
  }

  private static void measure(
      List<Figure> figures,
      String suffix,
      Precision precision,
      DType type,
      Program program,
      ModelFolder model,
      Path logs) {
    try (WorkerProcess worker = WorkerProcess.start(model.root(), logs, HEAP)) {
      double before = secondsToRead(model);
      WorkFinished finished = worker.run(task(program.model()), precision);
      // Once before and once after, so that a machine that is busy for a while is busy for both.
      double twice = before + secondsToRead(model);
      double load = GangRun.seconds(finished.getLoad());
      double weights = (double) program.weightBytes(type);
      figures.add(figure(suffix + ".read_twice_seconds", twice, "s", Goal.none()));
      figures.add(figure(suffix + ".seconds", load, "s", Goal.none()));
      figures.add(
          figure(
              suffix + ".ratio_to_reading_twice", load / twice, "ratio", Goal.atMost(TIME_GOAL)));
      figures.add(figure(suffix + ".weight_bytes", weights, "bytes", Goal.none()));
      figures.add(figure(suffix + ".rss_bytes", worker.residentBytes(), "bytes", Goal.none()));
      figures.add(
          figure(
              suffix + ".rss_per_weight",
              worker.peakResidentBytes() / weights,
              "ratio",
              Goal.atMost(MEMORY_GOAL)));
      figures.add(
          figure(
              suffix + ".step_seconds", GangRun.seconds(finished.getCompute()), "s", Goal.none()));
    }
  }

  /** The same with files that nobody has read yet, as on a machine that has just got them. */
  private static void measureFromDisk(
      List<Figure> figures,
      String suffix,
      Precision precision,
      Program program,
      ModelFolder model,
      Path logs) {
    try (WorkerProcess worker = WorkerProcess.start(model.root(), logs, HEAP)) {
      forget(model);
      double before = secondsToRead(model);
      forget(model);
      double load = GangRun.seconds(worker.run(task(program.model()), precision).getLoad());
      forget(model);
      double twice = before + secondsToRead(model);
      figures.add(figure(suffix + ".disk.read_twice_seconds", twice, "s", Goal.none()));
      figures.add(figure(suffix + ".disk.seconds", load, "s", Goal.none()));
      figures.add(
          figure(
              suffix + ".disk.ratio_to_reading_twice",
              load / twice,
              "ratio",
              Goal.atMost(TIME_GOAL)));
    }
  }

  private static void forget(ModelFolder model) {
    Checkpoints.files(model.ditWeights()).forEach(FileCache::drop);
  }

  private static Figure figure(String name, double value, String unit, Goal goal) {
    return new Figure("load." + name, value, unit, goal);
  }

  private static double secondsToRead(ModelFolder model) {
    long start = System.nanoTime();
    read(model);
    return (System.nanoTime() - start) / 1e9;
  }

  /** Reads all weights from the first byte to the last, and says how many bytes they are. */
  private static long read(ModelFolder model) {
    ByteBuffer buffer = ByteBuffer.allocateDirect(READ_BYTES);
    long bytes = 0;
    for (Path file : Checkpoints.files(model.ditWeights())) {
      try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
        for (int read = channel.read(buffer); read >= 0; read = channel.read(buffer.clear())) {
          bytes += read;
        }
        buffer.clear();
      } catch (IOException e) {
        throw new UncheckedIOException("Cannot read " + file, e);
      }
    }
    return bytes;
  }

  /** A small clip. */
  private static ForwardTask task(ModelDescription model) {
    Random random = new Random(1);
    ForwardRow.Builder row =
        ForwardRow.newBuilder()
            .setTimestep(500)
            .setFps(24)
            .setHeight(8 * SIDE)
            .setWidth(8 * SIDE)
            .setAspectRatio(1)
            .setFrames(FRAMES)
            .setGuidance(4);
    TextInput text = model.text();
    if (text != null) {
      row.setCondition(
          RowCondition.newBuilder()
              .setEmbedding(RandomTasks.normal(random, TEXT_TOKENS, text.channels())));
    }
    return ForwardTask.newBuilder()
        .setGeometry(RandomTasks.clip(FRAMES, SIDE))
        .setLatents(RandomTasks.normal(random, 1, model.latentChannels(), FRAMES, SIDE, SIDE))
        .addRows(row)
        .addCapture("output")
        .build();
  }
}
