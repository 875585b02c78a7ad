package dev.longtake.worker.engine.exec;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ChangeSumsTest {
  @Test
  void shouldBeTheSameForAnyOrderAndAnySplitOfTheTokens() {
    Random random = new Random(4);
    List<double[]> tokens = new ArrayList<>();
    for (int i = 0; i < 1000; i++) {
      // Magnitudes whose sum in floating point depends on the order.
      double scale = Math.pow(10, random.nextInt(8) - 5);
      tokens.add(new double[] {scale * random.nextDouble(), scale * random.nextDouble()});
    }
    ChangeSums expected = of(tokens);
    for (int round = 0; round < 20; round++) {
      Collections.shuffle(tokens, random);
      int half = random.nextInt(tokens.size());
      ChangeSums parts = of(tokens.subList(half, tokens.size())).plus(of(tokens.subList(0, half)));
      assertThat(parts).isEqualTo(expected);
    }
  }

  private static ChangeSums of(List<double[]> tokens) {
    ChangeSums sums = ChangeSums.NONE;
    for (double[] token : tokens) {
      sums = sums.plus(token[0], token[1]);
    }
    return sums;
  }

  @Test
  void shouldCompareTheDifferenceWithTheChangeBefore() {
    ChangeSums tenth = ChangeSums.NONE.plus(0.5, 5).plus(0.5, 5);

    assertThat(tenth.isBelow(0.11)).isTrue();
    assertThat(tenth.isBelow(0.1)).isFalse();
    assertThat(tenth.isBelow(0)).isFalse();
  }

  @Test
  void shouldNeverBeBelowWhenNothingChangedBeforeOrNumbersAreNone() {
    assertThat(ChangeSums.NONE.isBelow(1)).isFalse();
    assertThat(ChangeSums.NONE.plus(0, 0).isBelow(1)).isFalse();
    assertThat(ChangeSums.NONE.plus(Double.NaN, 1).isBelow(1)).isFalse();
    assertThat(ChangeSums.NONE.plus(Double.POSITIVE_INFINITY, 1000).isBelow(1)).isFalse();
  }
}
