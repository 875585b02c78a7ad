package dev.longtake.ops.bench.quality;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SsimTest {
  private static final int WIDTH = 23;
  private static final int HEIGHT = 17;

  private static double[] noise(long seed) {
    Random random = new Random(seed);
    double[] values = new double[WIDTH * HEIGHT];
    Arrays.setAll(values, _ -> random.nextInt(256));
    return values;
  }

  /** The definition, a window at a time. */
  private static double naive(double[] one, double[] other) {
    double sum = 0;
    int windows = 0;
    for (int top = 0; top + 11 <= HEIGHT; top++) {
      for (int left = 0; left + 11 <= WIDTH; left++) {
        double weight = 0;
        double[] means = new double[5];
        for (int i = 0; i < 121; i++) {
          int y = i / 11;
          int x = i % 11;
          double w = Math.exp(-((y - 5) * (y - 5) + (x - 5) * (x - 5)) / (2 * 1.5 * 1.5));
          double a = one[(top + y) * WIDTH + left + x];
          double b = other[(top + y) * WIDTH + left + x];
          double[] values = {a, b, a * a, b * b, a * b};
          for (int k = 0; k < values.length; k++) {
            means[k] += w * values[k];
          }
          weight += w;
        }
        double a = means[0] / weight;
        double b = means[1] / weight;
        double c1 = 6.5025;
        double c2 = 58.5225;
        sum +=
            (2 * a * b + c1)
                * (2 * (means[4] / weight - a * b) + c2)
                / ((a * a + b * b + c1)
                    * (means[2] / weight - a * a + means[3] / weight - b * b + c2));
        windows++;
      }
    }
    return sum / windows;
  }

  @Test
  void shouldBeTheDefinitionWhenPicturesDiffer() {
    double[] one = noise(1);
    double[] mixed = noise(2);
    Arrays.setAll(mixed, i -> (3 * one[i] + noise(3)[i]) / 4);

    assertThat(Ssim.of(one, mixed, WIDTH, HEIGHT)).isCloseTo(naive(one, mixed), within(1e-9));
    assertThat(Ssim.of(one, noise(2), WIDTH, HEIGHT))
        .isCloseTo(naive(one, noise(2)), within(1e-9))
        .isLessThan(0.3);
  }

  @Test
  void shouldBeOneWhenPicturesAreEqual() {
    assertThat(Ssim.of(noise(1), noise(1), WIDTH, HEIGHT)).isCloseTo(1, within(1e-12));
  }
}
