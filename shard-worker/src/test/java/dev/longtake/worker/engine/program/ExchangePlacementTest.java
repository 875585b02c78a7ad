package dev.longtake.worker.engine.program;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.ModelDescription;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Which models exchange what, and where. */
class ExchangePlacementTest {
  private static List<Instruction.GatherKeyValue> gathers(ModelDescription model, int ranks) {
    return only(model, ranks, Instruction.GatherKeyValue.class);
  }

  private static List<Instruction.SwitchSplit> switches(ModelDescription model, int ranks) {
    return only(model, ranks, Instruction.SwitchSplit.class);
  }

  private static <T> List<T> only(ModelDescription model, int ranks, Class<T> kind) {
    return Program.compile(model, ranks).step().stream()
        .filter(kind::isInstance)
        .map(kind::cast)
        .toList();
  }

  @Test
  void shouldGatherInEveryBlockWhenAttentionIsOverAllPatchesOfSeveralRanks() {
    assertThat(gathers(TestModels.dit(3), 4))
        .extracting(Instruction.GatherKeyValue::place)
        .containsExactly("in blocks.0", "in blocks.1", "in blocks.2");
    assertThat(switches(TestModels.dit(3), 4)).isEmpty();
  }

  @Test
  void shouldReadKeysWhereTheyAreWhenOneRankHasAllInOneStream() {
    assertThat(gathers(TestModels.dit(3), 1)).isEmpty();
    assertThat(only(TestModels.dit(1), 1, Instruction.Attend.class))
        .extracting(Instruction.Attend::keys)
        .containsExactly(Value.WIDE);
  }

  @Test
  void shouldBringTextAndPatchesTogetherAlsoOnOneRank() {
    for (int ranks : new int[] {1, 3}) {
      assertThat(gathers(TestModels.mmdit(2, 3), ranks)).hasSize(5);
      assertThat(gathers(TestModels.march("token-concat", 2), ranks)).hasSize(2);
      assertThat(switches(TestModels.mmdit(2, 3), ranks)).isEmpty();
    }
  }

  @Test
  void shouldGatherRightBeforeTheAttentionAndAfterTheRotation() {
    List<Instruction> step = Program.compile(TestModels.mmdit(1, 1), 3).step();
    for (int i = 0; i < step.size(); i++) {
      if (step.get(i) instanceof Instruction.GatherKeyValue) {
        assertThat(step.get(i - 1)).isInstanceOf(Instruction.NormRotate.class);
        assertThat(step.get(i + 1))
            .isInstanceOfSatisfying(
                Instruction.Attend.class,
                attend -> {
                  assertThat(attend.keys()).isEqualTo(Value.KEY_VALUE);
                  assertThat(attend.axis()).isEqualTo(Axis.FULL);
                });
      }
    }
  }

  @Test
  void shouldExchangeNothingWhenPatchesAttendToTheTextAlone() {
    ModelDescription model = TestModels.march("cross-attn", 4);

    assertThat(gathers(model, 5)).isEmpty();
    assertThat(switches(model, 5)).isEmpty();
    assertThat(Program.compile(model, 5)).isEqualTo(Program.compile(model, 1));
  }

  @Test
  void shouldExchangeNothingWhenAttentionStaysWithinFrames() {
    ModelDescription model = TestModels.sigma();

    assertThat(gathers(model, 5)).isEmpty();
    assertThat(switches(model, 5)).isEmpty();
    assertThat(only(model, 5, Instruction.ReduceKeyValue.class)).hasSize(1);
  }

  @Test
  void shouldSwitchTheSplitAndGatherNothingWhenAttentionAlternates() {
    assertThat(gathers(TestModels.stdit3(2), 3)).isEmpty();
    assertThat(switches(TestModels.stdit3(2), 3)).hasSize(4);
  }
}
