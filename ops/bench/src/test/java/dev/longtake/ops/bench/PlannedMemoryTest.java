package dev.longtake.ops.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.partition.Grain;
import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.Plans;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.common.stepcache.Reusable;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.common.stepcache.StepCaches;
import dev.longtake.common.tensor.DType;
import dev.longtake.coordinator.planner.ClusterView;
import dev.longtake.coordinator.planner.MeasuredLinks;
import dev.longtake.coordinator.planner.Planner;
import dev.longtake.coordinator.planner.WorkerView;
import dev.longtake.coordinator.planner.Workload;
import dev.longtake.v1.AttentionProfile;
import dev.longtake.v1.AttentionProfile.Axis;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Precision;
import dev.longtake.v1.WorkerPrediction;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.exec.Branch;
import dev.longtake.worker.engine.exec.Condition;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.exec.MemoryPlan;
import dev.longtake.worker.engine.exec.TextRow;
import dev.longtake.worker.engine.gang.RankShare;
import dev.longtake.worker.engine.loading.OpenModel;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.PatchSize;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.order.ModelProfiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the planner's closed forms say that a worker needs is what its engine allocates, or a little more. */
class PlannedMemoryTest {
  private static final int CASES = 60;
  private static final int ROWS = 2;

  /** The forms take what the largest kind of block needs for all, and count latents; of these small models that is much. */
  private static final double MOST_TOO_MUCH = 2.25;

  private static final double MOST_TOO_MUCH_IN_ALL = 1.35;

  private static final List<StepCacheMode> STEP_CACHES =
      List.of(
          StepCaches.EXACT,
          new StepCacheMode.FirstBlock(0.1, 8),
          new StepCacheMode.Broadcast(Map.of(Reusable.SPATIAL, 2, Reusable.MLP, 2), 0, 1000),
          new StepCacheMode.Broadcast(Map.of(Reusable.TEMPORAL, 2, Reusable.CROSS, 3), 0, 1000));

  @ParameterizedTest
  @ValueSource(
      strings = {
        "stdit_v3",
        "stdit_v2",
        "stdit_v1",
        "pixart_sigma",
        "diffusers_latte",
        "dit3d_text_latte",
        "march_token_concat",
        "mmdit_v2_flux_fused"
      })
  void shouldCountWhatTheEngineDoesOfEveryPlan(String golden) {
    Path folder = Path.of("../../shard-worker/src/test/resources/golden").resolve(golden);
    try (OpenModel model = OpenModel.open(ModelFolder.open(folder))) {
      ModelProfile profile = ModelProfiles.of(model.description());
      SplittableRandom random = new SplittableRandom(golden.hashCode());
      double sumPlanned = 0;
      double sumCounted = 0;
      for (int i = 0; i < CASES; i++) {
        ExecutionPlan plan = plan(random, profile);
        Grain grain = new Grain(1 + random.nextInt(4), 8 << random.nextInt(6));
        StepCacheMode stepCache = STEP_CACHES.get(random.nextInt(STEP_CACHES.size()));
        ClipGeometry clip = clip(random, profile);
        List<WorkerPrediction> planned =
            planned(profile, clip, plan, grain, stepCache, textTokens(model.description()));
        for (int rank = 0; rank < plan.workers(); rank++) {
          long counted = counted(model.description(), clip, plan, rank, grain, stepCache);
          double memory = planned.get(rank).getMemoryBytes() - scratch(profile, grain);
          assertThat(memory)
              .as("case %d, rank %d of %s with %s, %s, %s", i, rank, plan, grain, stepCache, clip)
              .isBetween((double) counted, MOST_TOO_MUCH * counted);
          sumPlanned += memory;
          sumCounted += counted;
        }
      }
      assertThat(sumPlanned).isLessThan(MOST_TOO_MUCH_IN_ALL * sumCounted);
    }
  }

  /** Of a device's products, which the engine does not know of. */
  private static long scratch(ModelProfile profile, Grain grain) {
    return 4L
        * grain.strands()
        * 256
        * Math.max(profile.getPieceColumns(), profile.getWholeColumns());
  }

  private static ExecutionPlan plan(SplittableRandom random, ModelProfile profile) {
    int blocks = profile.getBlocksCount();
    List<Range> stages =
        blocks > 1 && random.nextInt(3) == 0
            ? List.of(new Range(0, 1), new Range(1, blocks))
            : List.of(new Range(0, blocks));
    List<SequenceMode> modes = modes(profile);
    List<Integer> shares = new ArrayList<>();
    int ranks = 1 + random.nextInt(Math.min(3, profile.getHeads()));
    for (int rank = 0; rank < ranks; rank++) {
      shares.add(1 + random.nextInt(2));
    }
    return new ExecutionPlan(
        1 + random.nextInt(ROWS),
        stages,
        ranks,
        modes.get(random.nextInt(modes.size())),
        shares,
        /* microBatches= */ 1);
  }

  /** Those that the model can be split by. */
  private static List<SequenceMode> modes(ModelProfile profile) {
    List<AttentionProfile> attentions =
        profile.getBlocksList().stream()
            .flatMap(block -> block.getAttentionsList().stream())
            .toList();
    boolean attendsToAll =
        attentions.stream().anyMatch(attention -> attention.getAxis() == Axis.AXIS_FULL);
    boolean reducesKeys =
        attentions.stream().anyMatch(attention -> attention.getKeyValueReduction() > 1);
    return Arrays.stream(SequenceMode.values())
        .filter(mode -> !attendsToAll || mode != SequenceMode.SWITCH)
        .filter(mode -> !reducesKeys || !mode.splitsByPatch())
        .toList();
  }

  /** So large that weights are the smaller part of it. */
  private static ClipGeometry clip(SplittableRandom random, ModelProfile profile) {
    return ClipGeometry.newBuilder()
        .setLatentFrames(profile.getPatchFrames() * (6 + random.nextInt(10)))
        .setLatentHeight(profile.getPatchHeight() * (8 + random.nextInt(8)))
        .setLatentWidth(profile.getPatchWidth() * (8 + random.nextInt(8)))
        .build();
  }

  private static int textTokens(ModelDescription model) {
    var text = model.text();
    return text == null ? 0 : text.maxTokens();
  }

  private static List<WorkerPrediction> planned(
      ModelProfile profile,
      ClipGeometry clip,
      ExecutionPlan plan,
      Grain grain,
      StepCacheMode stepCache,
      int textTokens) {
    Workload workload =
        new Workload(
                profile,
                clip,
                1,
                ROWS,
                textTokens,
                Precision.PRECISION_F32,
                /* learnedVariance= */ false)
            .withStepCache(stepCache);
    List<WorkerView> workers = new ArrayList<>();
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < plan.workers(); i++) {
      String id = "worker-" + i;
      ids.add(id);
      workers.add(
          new WorkerView(
              id, id, 1, 1, grain, "cpu", /* memoryBytes= */ 0, /* times= */ Optional.empty()));
    }
    ClusterView cluster = new ClusterView(workers, new MeasuredLinks(List.of(), ids, ids));
    return Planner.forced(Plans.message(plan).build(), workload, cluster)
        .plan()
        .getPrediction()
        .getWorkersList();
  }

  /** By the executor's own arithmetic. */
  private static long counted(
      ModelDescription model,
      ClipGeometry clip,
      ExecutionPlan plan,
      int rank,
      Grain grain,
      StepCacheMode stepCache) {
    PatchSize patch = model.patches().size();
    var place = plan.place(rank);
    Range rows = plan.rowsOf(ROWS, place.branchGroup());
    Geometry geometry =
        new Geometry(
            rows.size(),
            new Patching(
                clip.getLatentFrames(),
                clip.getLatentHeight(),
                clip.getLatentWidth(),
                patch.frames(),
                patch.height(),
                patch.width()),
            8 * clip.getLatentHeight(),
            8 * clip.getLatentWidth(),
            4 * clip.getLatentFrames(),
            place.sequenceRank(),
            plan.shares());
    Branch branch =
        new Branch(
            /* sample= */ 0,
            model.text() == null ? new TextRow.None() : new TextRow.Null(textTokens(model)),
            /* pooledText= */ null,
            /* classLabel= */ null,
            new Branch.Scalars(0, 0, 0, 0, 0, 0),
            textTokens(model),
            /* paddedSequence= */ 0);
    return MemoryPlan.of(
            Program.compile(model, RankShare.sharding(plan, rank, stepCache)),
            DType.F32,
            geometry,
            new Condition(Collections.nCopies(rows.size(), branch), /* frameMasks= */ false),
            grain)
        .totalBytes();
  }
}
