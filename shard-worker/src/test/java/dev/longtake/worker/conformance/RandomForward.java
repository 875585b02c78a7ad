package dev.longtake.worker.conformance;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.checkpoint.Checkpoints;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.ForwardRow;
import dev.longtake.v1.ForwardTask;
import dev.longtake.v1.Precision;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.engine.model.ModelCatalog;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.NullText;
import dev.longtake.worker.engine.model.PooledInput;
import dev.longtake.worker.engine.model.TextInput;
import dev.longtake.worker.order.ProtoTensors;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * Forward orders for a case's model, with random sizes, conditions, texts, masks and reference latents; the same for the same
 * seed. They capture whatever the case's reference has.
 */
record RandomForward(ModelDescription model, List<String> captures) {
  private static final int MAX_TOKENS = 12;

  static RandomForward of(Path folder) {
    ModelFolder files = ModelFolder.open(folder);
    try (GoldenCase golden = GoldenCase.open(folder);
        Checkpoint checkpoint = Checkpoints.open(files.ditWeights())) {
      GoldenRun run = golden.runs().getFirst();
      GoldenFamily family = GoldenFamily.of(run);
      return new RandomForward(
          ModelCatalog.describe(files.dit(), checkpoint.names()).description(),
          run.outputNames().stream()
              .flatMap(name -> family.captures(name).stream())
              .distinct()
              .toList());
    }
  }

  WorkOrder.Builder order(long seed, Precision precision) {
    Random random = new Random(seed);
    int tokens = 1 + random.nextInt(MAX_TOKENS);
    return order(random, 1 + random.nextInt(7), tokens).setPrecision(precision);
  }

  /** With so few frames and text tokens that most ranks have none. */
  WorkOrder.Builder tiny(long seed) {
    return order(new Random(seed), 1, 1).setPrecision(Precision.PRECISION_F32);
  }

  private WorkOrder.Builder order(Random random, int frames, int tokens) {
    int rows = 1 + random.nextInt(3);
    var patch = model.patches().size();
    boolean complete = model.patches().dropsIncomplete();
    int height = complete ? patch.height() * (1 + random.nextInt(4)) : 1 + random.nextInt(9);
    int width = complete ? patch.width() * (1 + random.nextInt(4)) : 1 + random.nextInt(9);
    ForwardTask.Builder task =
        ForwardTask.newBuilder()
            .setGeometry(
                ClipGeometry.newBuilder()
                    .setLatentFrames(frames)
                    .setLatentHeight(height)
                    .setLatentWidth(width)
                    .setPixelHeight(height * 8)
                    .setPixelWidth(width * 8)
                    .setPixelFrames(frames)
                    .setFps(8))
            .setLatents(normal(random, rows, model.latentChannels(), frames, height, width))
            .addAllCapture(captures);
    for (int row = 0; row < rows; row++) {
      // Every row's text has a length of its own.
      task.addRows(row(random, 1 + random.nextInt(tokens)));
    }
    if (model.patches().hasReference() && random.nextInt(3) > 0) {
      task.setReferenceLatents(
          normal(random, rows, 1 + model.latentChannels(), frames, height, width));
    }
    if (model.architecture().startsWith("STDiT") && random.nextBoolean()) {
      task.setFrameMask(mask(random, rows, Math.ceilDiv(frames, patch.frames())));
    }
    return WorkOrder.newBuilder().setForward(task);
  }

  private ForwardRow.Builder row(Random random, int tokens) {
    RowCondition.Builder condition = RowCondition.newBuilder();
    TextInput text = model.text();
    if (text != null) {
      int count = Math.min(tokens, text.maxTokens());
      if (hasNull(text.nullText()) && random.nextInt(4) == 0) {
        condition.setNullTokens(count);
      } else {
        condition.setEmbedding(normal(random, count, text.channels()));
      }
    }
    PooledInput pooled = model.pooledText();
    if (pooled != null && !(hasNull(pooled.nullText()) && random.nextInt(4) == 0)) {
      condition.setPooledText(normal(random, pooled.channels()));
    }
    if (model.classes() > 0 && random.nextInt(4) > 0) {
      condition.setClassLabel(random.nextInt(model.classes()));
    }
    if (random.nextBoolean()) {
      condition.setPaddedTokens(random.nextInt(20)).setPaddedSequence(random.nextInt(500));
    }
    return ForwardRow.newBuilder()
        .setCondition(condition)
        .setTimestep(random.nextFloat() * 1000)
        .setFps(8 + random.nextInt(20))
        .setHeight(8 + random.nextInt(500))
        .setWidth(8 + random.nextInt(500))
        .setAspectRatio(random.nextFloat() + 0.5f)
        .setFrames(1 + random.nextInt(60))
        .setGuidance(1 + random.nextInt(7));
  }

  private static boolean hasNull(NullText nullText) {
    return !(nullText instanceof NullText.Encoded);
  }

  private static Tensor mask(Random random, int rows, int frames) {
    boolean[] mask = new boolean[rows * frames];
    for (int i = 0; i < mask.length; i++) {
      mask[i] = random.nextBoolean();
    }
    return ProtoTensors.of(mask, List.of((long) rows, (long) frames));
  }

  static Tensor normal(Random random, long... shape) {
    List<Long> sizes = Arrays.stream(shape).boxed().toList();
    float[] values = new float[Math.toIntExact(sizes.stream().reduce(1L, (a, b) -> a * b))];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return ProtoTensors.of(values, sizes);
  }
}
