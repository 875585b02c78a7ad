package dev.longtake.worker.engine.program;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.Block;
import dev.longtake.worker.engine.model.Op;
import java.util.List;
import org.junit.jupiter.api.Test;

class ShardingPassTest {
  private static ShardingPass.Result apply(List<Block> blocks, int ranks) {
    return ShardingPass.apply(blocks, Sharding.sequence(ranks, blocks.size()));
  }

  private static List<ShardingPass.Step.Switch> switches(List<Block> blocks, int ranks) {
    return apply(blocks, ranks).steps().stream()
        .filter(ShardingPass.Step.Switch.class::isInstance)
        .map(ShardingPass.Step.Switch.class::cast)
        .toList();
  }

  @Test
  void shouldSwitchTwiceAPairWhenAttentionAlternates() {
    List<Block> blocks = TestModels.stdit3(3).blocks();

    List<ShardingPass.Step.Switch> switches = switches(blocks, 2);

    assertThat(switches)
        .extracting(ShardingPass.Step.Switch::place)
        .containsExactly(
            "before temporal_blocks.0",
            "before spatial_blocks.1",
            "before temporal_blocks.1",
            "before spatial_blocks.2",
            "before temporal_blocks.2");
    assertThat(switches.getFirst().from()).isEqualTo(Split.FRAME);
    assertThat(switches.getFirst().to()).isEqualTo(Split.PATCH);
    assertThat(apply(blocks, 2).end()).isEqualTo(Split.PATCH);
  }

  @Test
  void shouldNotSwitchWhenOneRankHoldsEverything() {
    assertThat(switches(TestModels.stdit3(3).blocks(), 1)).isEmpty();
  }

  @Test
  void shouldNotSwitchWhenNothingConflicts() {
    List<Block> blocks =
        List.of(TestModels.block("a", Axis.SPATIAL), TestModels.block("b", Axis.SPATIAL));

    assertThat(switches(blocks, 4)).isEmpty();
    assertThat(apply(blocks, 4).end()).isEqualTo(Split.FRAME);
  }

  @Test
  void shouldSwitchOnceWhenAllBlocksNeedTheOtherSplit() {
    List<Block> blocks =
        List.of(TestModels.block("a", Axis.TEMPORAL), TestModels.block("b", Axis.TEMPORAL));

    assertThat(switches(blocks, 4)).hasSize(1);
  }

  @Test
  void shouldKeepEveryOperationInOrderWhenSwitching() {
    List<Block> blocks = TestModels.stdit3(2).blocks();

    List<Op> operations =
        apply(blocks, 3).steps().stream()
            .filter(ShardingPass.Step.Run.class::isInstance)
            .map(ShardingPass.Step.Run.class::cast)
            .map(ShardingPass.Step.Run::op)
            .toList();

    assertThat(operations)
        .containsExactlyElementsOf(blocks.stream().flatMap(block -> block.ops().stream()).toList());
  }
}
