package dev.longtake.worker.engine.program;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.plan.SequenceMode;
import dev.longtake.common.stepcache.Reusable;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.worker.engine.model.ModelDescription;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Which instructions run piece by piece. */
class RegionPassTest {
  private static final Set<Value> SEEN =
      Set.of(Value.RESIDUAL, Value.PREDICTION, Value.LATENTS, Value.REFERENCE);

  private static List<Program> programs() {
    List<ModelDescription> models =
        List.of(
            TestModels.stdit3(2),
            TestModels.dit(2),
            TestModels.sigma(),
            TestModels.march("adaln", 2),
            TestModels.march("cross-attn", 2),
            TestModels.march("token-concat", 2),
            TestModels.mmdit(2, 2));
    Map<Reusable, Integer> all =
        Arrays.stream(Reusable.values()).collect(Collectors.toMap(kind -> kind, _ -> 2));
    List<Program> programs = new ArrayList<>();
    for (ModelDescription model : models) {
      for (int ranks = 1; ranks <= 2; ranks++) {
        programs.add(Program.compile(model, ranks));
        programs.add(compile(model, ranks, new StepCacheMode.Broadcast(all, 0, 1000)));
        programs.add(compile(model, ranks, new StepCacheMode.FirstBlock(1, 2)));
      }
    }
    return programs;
  }

  private static Program compile(ModelDescription model, int ranks, StepCacheMode mode) {
    Sharding whole = Sharding.sequence(ranks, model.blocks().size());
    return Program.compile(model, new Sharding(ranks, SequenceMode.SWITCH, whole.blocks(), mode));
  }

  @Test
  void shouldHoldEveryInstructionOnceAndInOrder() {
    for (Program program : programs()) {
      assertThat(program.regions().stream().flatMap(region -> region.instructions().stream()))
          .containsExactlyElementsOf(program.step());
    }
  }

  @Test
  void shouldLetNothingButResidualAndPredictionLeaveARegion() {
    int cut = 0;
    for (Program program : programs()) {
      List<Region> regions = program.regions();
      Set<Value> inPieces = new HashSet<>();
      for (Region region : regions) {
        Set<Value> inside = new HashSet<>();
        for (Instruction instruction : region.instructions()) {
          for (Value value : instruction.reads()) {
            boolean isOfTokens = value.equals(Value.NARROW) || value.equals(Value.WIDE);
            if (isOfTokens && region.isCut()) {
              assertThat(inside).as("%s of %s", value, instruction).contains(value);
            } else if (isOfTokens) {
              assertThat(inPieces).as("%s of %s", value, instruction).doesNotContain(value);
            }
          }
          inside.add(instruction.writes());
        }
        if (region.isCut()) {
          inPieces.addAll(inside);
          inPieces.removeAll(SEEN);
          cut++;
        } else {
          inPieces.removeAll(inside);
        }
      }
    }
    assertThat(cut).isPositive();
  }

  @Test
  void shouldRunABlockAndTheFinalLayerAsARegionEach() {
    List<Region> regions = Program.compile(TestModels.stdit3(2), 1).regions();

    assertThat(regions.stream().filter(Region::isCut).map(Region::cut))
        .containsExactly(Cut.FRAMES, Cut.PATCHES, Cut.FRAMES, Cut.PATCHES, Cut.EITHER);
    assertThat(regions.stream().filter(region -> !region.isCut()).map(Region::instructions))
        .allMatch(single ->
            single.getFirst() instanceof Instruction.EmbedPatches
                || single.getFirst() instanceof Instruction.AddPosition
                || single.getFirst() instanceof Instruction.Mark
                || single.getFirst() instanceof Instruction.ComputeVector
                || single.getFirst() instanceof Instruction.AddTable);
  }

  @Test
  void shouldTakeAllTokensAtOnceWhereAttentionNeedsThem() {
    List<Region> regions = Program.compile(TestModels.dit(1), 1).regions();

    assertThat(regions.stream().filter(region -> !region.isCut()).map(Region::instructions))
        .anyMatch(single -> single.getFirst() instanceof Instruction.Attend);
    // The MLP and the final layer behind it need a row.
    assertThat(regions.getLast().cut()).isEqualTo(Cut.EITHER);
    assertThat(regions.getLast().instructions().getLast())
        .isInstanceOf(Instruction.ProjectFinal.class);
    assertThat(Program.compile(TestModels.mmdit(1, 1), 1).regions()).noneMatch(Region::isCut);
  }

  @Test
  void shouldTakeAllTokensAtOnceWhereAStepCacheKeepsThem() {
    var mode = new StepCacheMode.Broadcast(Map.of(Reusable.MLP, 2), 0, 1000);
    List<Region> regions = compile(TestModels.stdit3(1), 1, mode).regions();

    assertThat(regions)
        .filteredOn(Region::isCut)
        .flatExtracting(Region::instructions)
        .noneMatch(
            each -> each instanceof Instruction.Project project && project.layer().contains("mlp"))
        .anyMatch(Instruction.Attend.class::isInstance);
  }
}
