package dev.longtake.worker.engine.sampler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

class RectifiedFlowTest {
  @Test
  void shouldWalkTheWholeWayWhenStepsAreEqual() {
    RectifiedFlow flow = new RectifiedFlow(30, 1000, false, false);
    float[] schedule = flow.schedule(64, 64, 16);

    double way = 0;
    for (int step = 0; step < schedule.length; step++) {
      way += flow.stepSize(schedule, step);
    }

    assertThat(schedule).hasSize(30);
    assertThat(schedule[0]).isEqualTo(1000f);
    assertThat(way).isCloseTo(1, Offset.offset(1e-6));
  }

  @Test
  void shouldRoundHalfToEvenWhenDiscrete() {
    // 1000 * (1 - i / 16) has the half 937.5 at i = 1 and 812.5 at i = 3.
    float[] schedule = new RectifiedFlow(16, 1000, true, false).schedule(64, 64, 16);

    assertThat(schedule[1]).isEqualTo(938f);
    assertThat(schedule[3]).isEqualTo(812f);
  }

  @Test
  void shouldShiftTowardsNoiseWhenTheClipIsLargerAndLonger() {
    float plain = RectifiedFlow.transformed(500, 1000, 512, 512, 1);
    float longer = RectifiedFlow.transformed(500, 1000, 512, 512, 51);
    float larger = RectifiedFlow.transformed(500, 1000, 720, 1280, 51);

    assertThat(plain).isEqualTo(500f);
    assertThat(longer).isGreaterThan(plain);
    assertThat(larger).isGreaterThan(longer);
  }

  @Test
  void shouldRefuseZeroSteps() {
    assertThatThrownBy(() -> new RectifiedFlow(0, 1000, false, false))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("0");
  }
}
