package dev.longtake.coordinator.planner;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class SpeedSharesTest {
  private static List<Integer> shares(double... speeds) {
    return SpeedShares.of(speeds);
  }

  @Test
  void shouldBeEqualWhenSpeedsDifferByNoise() {
    assertThat(shares(100, 97, 98)).containsExactly(1, 1, 1);
  }

  @Test
  void shouldBeSmallNumbersWhenSpeedsAreSimple() {
    assertThat(shares(300, 100)).containsExactly(3, 1);
    assertThat(shares(1, 2, 1.5)).containsExactly(2, 4, 3);
  }

  @Test
  void shouldBeAtLeastOneWhenAWorkerIsVerySlow() {
    assertThat(shares(1000, 1)).last().isEqualTo(1);
  }

  @Test
  void shouldFollowTheSpeedsWhenTheyAreRandom() {
    SplittableRandom random = new SplittableRandom(11);
    for (int i = 0; i < 500; i++) {
      double[] speeds = random.doubles(1 + random.nextInt(8), 0.2, 1).toArray();
      List<Integer> shares = SpeedShares.of(speeds);
      double fastest = java.util.Arrays.stream(speeds).max().orElseThrow();
      int largest = shares.stream().mapToInt(Integer::intValue).max().orElseThrow();
      for (int rank = 0; rank < speeds.length; rank++) {
        assertThat((double) shares.get(rank) / largest)
            .as("case %d, rank %d", i, rank)
            .isBetween(speeds[rank] / fastest - 0.05, speeds[rank] / fastest + 0.05001);
      }
    }
  }
}
