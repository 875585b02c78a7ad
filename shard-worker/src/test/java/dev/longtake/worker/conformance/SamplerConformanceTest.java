package dev.longtake.worker.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.v1.Precision;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.device.DeviceChoice;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every sampler against its reference, on several ranks. */
class SamplerConformanceTest {
  /** What the reference's documentation suggests; 1.0's whole run has a tolerance of its own. */
  private static final double TOLERANCE = 3e-5;

  @ParameterizedTest
  @CsvSource({
    "sampler_rflow, 2",
    "sampler_rflow, 3",
    "sampler_iddpm_v10, 1",
    "sampler_iddpm_v10, 2",
    "sampler_iddpm_v10, 3",
    "sampler_iddpm_v11, 1",
    "sampler_iddpm_v11, 2",
    "sampler_iddpm_v11, 3",
    "sampler_ddpm_march, 1",
    "sampler_ddpm_march, 2",
    "sampler_ddpm_march, 3",
    "sampler_mmdit_v2, 1",
    "sampler_mmdit_v2, 2",
    "sampler_mmdit_v2, 3"
  })
  void shouldMatchEveryStepOfTheReference(String name, int ranks) {
    try (GoldenCase golden = GoldenCase.open(GoldenFolders.golden(name));
        ThreadGang gang = new ThreadGang(golden.folder(), ranks, 1)) {
      SamplerFormat format =
          golden
              .samplerModel()
              .flatMap(architecture -> SamplerConformance.format(golden.kind(), architecture))
              .orElseThrow();
      var conformance = new SamplerConformance(gang, format, Precision.PRECISION_F32, TOLERANCE);
      for (GoldenRun run : golden.runs()) {
        RunReport report = conformance.run(name, run);
        assertThat(report.failed()).as("%s", report).isFalse();
        assertThat(report.notCompared()).isEmpty();
        assertThat(report.checks()).hasSameSizeAs(run.outputNames());
      }
    }
  }

  @Test
  void shouldMatchOneStepOfTheLongestRunMoreCloselyThanTheWhole() {
    // 50 steps of a random network amplify rounding, so the whole run may be off by 1e-3; what goes
    // in at the first two steps
    // is not.
    try (GoldenCase golden = GoldenCase.open(GoldenFolders.golden("sampler_iddpm_v10"));
        ThreadGang gang = new ThreadGang(golden.folder(), 1, 1)) {
      GoldenRun run = golden.runs().getFirst();
      var format = new IddpmFormat(IddpmFormat.Release.V1_0);
      var ours = gang.run(WorkOrder.newBuilder().setSampling(format.task(run).addCapture("z_in")));
      double[] reference = run.output("z_in").values();
      int size = reference.length / format.steps(run);
      for (int step = 0; step <= 2; step++) {
        Captured captured = ours.get("z_in/" + step);
        assertThat(captured).isNotNull();
        if (captured != null) {
          double[] expected = Arrays.copyOfRange(reference, step * size, (step + 1) * size);
          TensorCheck check =
              TensorCheck.compare("z_in/" + step, captured.values(), expected, TOLERANCE);
          assertThat(check.passed()).as("%s", check).isTrue();
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"sampler_dpmpp", "sampler_ddim"})
  void shouldFollowTheReferenceWhenGivenItsPredictions(String name) {
    var reports =
        new Conformance(1, Precision.PRECISION_F32, new DeviceChoice.Cpu())
            .check(GoldenFolders.golden(name));

    assertThat(reports).hasSizeGreaterThanOrEqualTo(4).noneMatch(RunReport::failed);
    assertThat(reports)
        .allSatisfy(report ->
            assertThat(report.checks())
                .extracting(TensorCheck::tensor)
                .contains("timesteps", "z_in", "guided_eps", "z_out", "final"));
  }

  @Test
  void shouldFindTheTablesWrongWhenTheyHaveTheOtherPrecision() {
    // 1.1's tables are float32: the float64 ones must not pass for them, or the comparison sees
    // nothing.
    try (GoldenCase golden = GoldenCase.open(GoldenFolders.golden("sampler_iddpm_v11"))) {
      GoldenRun run = golden.runs().getFirst();
      float[] ofOtherRelease =
          new IddpmFormat(IddpmFormat.Release.V1_0)
              .table(run, "table.posterior_mean_coef1")
              .orElseThrow();
      TensorCheck check =
          TensorCheck.compare(
              "table.posterior_mean_coef1",
              ofOtherRelease,
              run.output("table.posterior_mean_coef1").values(),
              TOLERANCE);
      assertThat(check.passed()).isFalse();
    }
  }
}
