package dev.longtake.coordinator.measure;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.fleet.TestMembers;
import dev.longtake.v1.Precision;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class DriftTest {
  private final Member w0 = TestMembers.of("w0", "a");
  private final Member w1 = TestMembers.of("w1", "a");
  private final Drift drift = new Drift();

  @AfterEach
  void close() {
    TestMembers.close(w0);
    TestMembers.close(w1);
  }

  /** Predicted were steps of 1 s, of which 0.2 s are exposed. */
  private Drift.Verdict job(double step, double exposed, Member... members) {
    return drift.judge(
        new Observation(List.of(members), Precision.PRECISION_F32, step, 1, exposed, 0.2));
  }

  @Test
  void shouldBlameNobodyWhenPredictionsAreMet() {
    for (int i = 0; i < 5; i++) {
      assertThat(job(1.29, 0.25, w0, w1)).isEqualTo(new Drift.Verdict(List.of(), List.of()));
      assertThat(job(0.71, 0.15, w0, w1)).isEqualTo(new Drift.Verdict(List.of(), List.of()));
    }
  }

  @Test
  void shouldBlameTheWorkersWhenStepsAreOffTwiceInARow() {
    assertThat(job(1.4, 0.2, w0, w1).blocks()).isEmpty();
    assertThat(job(1.0, 0.2, w1).blocks()).isEmpty();

    Drift.Verdict verdict = job(0.6, 0.2, w0, w1);

    assertThat(verdict.blocks()).as("w1 was right in between").containsExactly(w0);
    assertThat(verdict.links()).isEmpty();
    assertThat(job(1.4, 0.2, w0).blocks()).as("counted from the start again").isEmpty();
  }

  @Test
  void shouldBlameTheLinksWhenTheExchangeIsOffTwiceInARow() {
    job(1.1, 0.3, w0, w1);

    Drift.Verdict verdict = job(1.1, 0.3, w0, w1);

    assertThat(verdict).isEqualTo(new Drift.Verdict(List.of(), List.of(w0, w1)));
  }

  @Test
  void shouldNotMindWhenTheExchangeIsNegligible() {
    for (int i = 0; i < 3; i++) {
      Drift.Verdict verdict =
          drift.judge(new Observation(List.of(w0, w1), Precision.PRECISION_F32, 1, 1, 0.04, 0.001));
      assertThat(verdict.links()).isEmpty();
    }
  }

  @Test
  void shouldForgetWhenAWorkerHasLeft() {
    job(2, 0.2, w0);
    drift.forget(w0);

    assertThat(job(2, 0.2, w0).blocks()).isEmpty();
  }
}
