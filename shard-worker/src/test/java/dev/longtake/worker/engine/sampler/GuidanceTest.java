package dev.longtake.worker.engine.sampler;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

class GuidanceTest {
  private static final int STEPS = 13;
  private static final Guidance.Image IMAGE = new Guidance.Image(3, true, true);

  @Test
  void shouldMoveAwayFromTheNullCondition() {
    assertThat(Guidance.of(7).weights(0, STEPS, 3, 0, 1)).containsExactly(7, -6);
    assertThat(Guidance.of(7).branches()).isEqualTo(2);
  }

  @Test
  void shouldTakeThePromptAloneWhenAChannelIsNotGuidedOrTheModelDistilled() {
    Guidance threeChannels = new Guidance(4, false, 3, null, false);
    Guidance distilled = new Guidance(4, true, 3, null, false);

    assertThat(threeChannels.weights(0, STEPS, 2, 0, 1)).containsExactly(4, -3);
    assertThat(threeChannels.weights(0, STEPS, 3, 0, 1)).containsExactly(1, 0);
    assertThat(distilled.weights(0, STEPS, 0, 0, 1)).containsExactly(1);
    assertThat(distilled.branches()).isEqualTo(1);
  }

  @Test
  void shouldBeWithoutGuidanceAtOddStepsFromTheTenthOnWhenItOscillates() {
    Guidance guidance = new Guidance(7.5, false, 4, null, true);
    for (int step = 0; step < STEPS; step++) {
      double expected = step == 11 ? 1 : 7.5;
      assertThat(guidance.weights(step, STEPS, 0, 0, 1)[0]).as("step %d", step).isEqualTo(expected);
    }
  }

  @Test
  void shouldScaleImageGuidanceFromTheFirstFrameToTheLastAndOverTheSteps() {
    Guidance guidance = new Guidance(7.5, false, 4, IMAGE, true);
    // The weight of the branch without reference frames is 1 - strength.
    assertThat(guidance.weights(0, STEPS, 0, 0, 5)[2]).isZero();
    assertThat(guidance.weights(0, STEPS, 0, 4, 5)[2]).isEqualTo(1 - 3.0);
    assertThat(guidance.weights(0, STEPS, 0, 2, 5)[2]).isEqualTo(1 - 2.0);
    double last = 3 - 2 * 12.0 / STEPS;
    assertThat(guidance.weights(12, STEPS, 0, 4, 5)[2]).isCloseTo(1 - last, Offset.offset(1e-12));
    assertThat(guidance.weights(11, STEPS, 0, 4, 5)[2]).isZero();
    assertThat(guidance.weights(0, STEPS, 0, 0, 1)[2]).isZero();
  }

  @Test
  void shouldLeaveAPredictionAloneThatAllBranchesShare() {
    Random random = new Random(5);
    for (int round = 0; round < 200; round++) {
      Guidance guidance =
          new Guidance(
              random.nextDouble() * 10,
              random.nextInt(4) == 0,
              random.nextInt(5),
              random.nextBoolean() ? null : IMAGE,
              random.nextBoolean());
      int frames = 1 + random.nextInt(6);
      double[] weights =
          guidance.weights(
              random.nextInt(STEPS), STEPS, random.nextInt(4), random.nextInt(frames), frames);
      assertThat(weights).hasSize(guidance.branches());
      assertThat(Arrays.stream(weights).sum()).isCloseTo(1, Offset.offset(1e-12));
    }
  }
}
