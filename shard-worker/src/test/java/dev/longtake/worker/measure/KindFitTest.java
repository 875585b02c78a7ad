package dev.longtake.worker.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.longtake.worker.measure.KindFit.Line;
import java.util.Random;
import org.junit.jupiter.api.Test;

class KindFitTest {
  @Test
  void shouldFindTheLineThatPointsAreOn() {
    Random random = new Random(3);
    for (int i = 0; i < 100; i++) {
      double start = random.nextDouble();
      double slope = random.nextDouble();
      Line line = Line.through(10, start + 10 * slope, 70, start + 70 * slope);

      assertThat(line.start()).isCloseTo(start, within(1e-9));
      assertThat(line.slope()).isCloseTo(slope, within(1e-9));
    }
  }

  @Test
  void shouldNeitherStartNorFallBelowZero() {
    assertThat(Line.through(10, 1, 20, 4)).isEqualTo(new Line(0, 0.2));
    assertThat(Line.through(10, 4, 20, 2)).isEqualTo(new Line(3, 0));
    assertThat(Line.through(10, 4, 10, 4)).isEqualTo(new Line(4, 0));
  }
}
