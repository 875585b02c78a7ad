package dev.longtake.coordinator.planner;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.partition.Range;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class StagesTest {
  private record Table(double[] speeds, double[] blocks, double[] fixed, double[] room)
      implements Stages.Costs {
    @Override
    public double block(int stage, int block) {
      return blocks[block] / speeds[stage];
    }

    @Override
    public double fixed(int stage) {
      return fixed[stage];
    }

    @Override
    public boolean fits(int stage, Range range) {
      return range.size() <= room[stage];
    }

    double slowest(List<Range> ranges) {
      double slowest = 0;
      for (int stage = 0; stage < ranges.size(); stage++) {
        double seconds = fixed[stage];
        for (int block = ranges.get(stage).start(); block < ranges.get(stage).end(); block++) {
          seconds += block(stage, block);
        }
        slowest = Math.max(slowest, seconds);
      }
      return slowest;
    }
  }

  @Test
  void shouldGiveMoreBlocksWhenAStageIsFaster() {
    var costs =
        new Table(
            new double[] {3, 1},
            new double[] {1, 1, 1, 1, 1, 1, 1, 1},
            new double[2],
            new double[] {8, 8});

    assertThat(Stages.divide(8, 2, costs)).contains(List.of(new Range(0, 6), new Range(6, 8)));
  }

  @Test
  void shouldGiveFewerBlocksWhenMemoryIsShort() {
    var costs =
        new Table(
            new double[] {3, 1},
            new double[] {1, 1, 1, 1, 1, 1, 1, 1},
            new double[2],
            new double[] {3, 8});

    assertThat(Stages.divide(8, 2, costs)).contains(List.of(new Range(0, 3), new Range(3, 8)));
  }

  @Test
  void shouldGiveNoneWhenNoDivisionFits() {
    var costs =
        new Table(
            new double[] {1, 1}, new double[] {1, 1, 1, 1}, new double[2], new double[] {1, 2});

    assertThat(Stages.divide(4, 2, costs)).isEmpty();
  }

  @Test
  void shouldBeAsGoodAsTheBestOfAllWhenCostsAreRandom() {
    SplittableRandom random = new SplittableRandom(5);
    for (int i = 0; i < 300; i++) {
      int stages = 1 + random.nextInt(4);
      int blocks = stages + random.nextInt(6);
      var costs =
          new Table(
              random.doubles(stages, 0.5, 3).toArray(),
              random.doubles(blocks, 0.1, 2).toArray(),
              random.doubles(stages, 0, 1).toArray(),
              random.doubles(stages, 1, blocks + 1).toArray());
      double best = best(costs, 0, 0, stages, blocks, 0);
      Optional<List<Range>> found = Stages.divide(blocks, stages, costs);

      if (best == Double.MAX_VALUE) {
        assertThat(found).as("case %d", i).isEmpty();
      } else {
        assertThat(costs.slowest(found.orElseThrow()))
            .as("case %d", i)
            .isBetween(best * 0.999999, best * 1.001);
        assertThat(found.orElseThrow().getLast().end()).isEqualTo(blocks);
      }
    }
  }

  /** Every division, recursively. */
  private static double best(
      Table costs, int stage, int start, int stages, int blocks, double slowest) {
    if (stage == stages) {
      return start == blocks ? slowest : Double.MAX_VALUE;
    }
    double best = Double.MAX_VALUE;
    double seconds = costs.fixed(stage);
    for (int end = start + 1; end <= blocks && costs.fits(stage, new Range(start, end)); end++) {
      seconds += costs.block(stage, end - 1);
      best =
          Math.min(best, best(costs, stage + 1, end, stages, blocks, Math.max(slowest, seconds)));
    }
    return best;
  }
}
