package dev.longtake.coordinator.jobs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Sampler;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.SamplingTask.ScheduleCase;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

final class SchedulesTest {
  private static SamplingTask schedule(Sampler sampler, int steps) {
    return Schedules.schedule(ModelCard.newBuilder().setSampler(sampler).build(), steps).build();
  }

  @Test
  void shouldGiveEverySamplerItsStepsWhenTheModelNamesIt() {
    Set<ScheduleCase> kinds = EnumSet.noneOf(ScheduleCase.class);
    for (Sampler sampler : EnumSet.complementOf(EnumSet.of(Sampler.UNRECOGNIZED))) {
      SamplingTask task = schedule(sampler, 12);
      kinds.add(task.getScheduleCase());
      int steps =
          switch (task.getScheduleCase()) {
            case RECTIFIED_FLOW -> task.getRectifiedFlow().getSteps();
            case GUIDED_FLOW -> task.getGuidedFlow().getSteps();
            case ANCESTRAL -> task.getAncestral().getSteps();
            case DDIM -> task.getDdim().getSteps();
            case DPM_SOLVER -> task.getDpmSolver().getSteps();
            case SCHEDULE_NOT_SET -> 0;
          };
      assertThat(steps).as("%s", sampler).isEqualTo(12);
    }
    assertThat(kinds).hasSize(5);
  }

  @Test
  void shouldFollowTheModelWhereSamplersHaveVariants() {
    assertThat(schedule(Sampler.SAMPLER_ANCESTRAL, 9).getAncestral().getFloat32Tables()).isFalse();
    assertThat(schedule(Sampler.SAMPLER_ANCESTRAL_FLOAT32, 9).getAncestral().getFloat32Tables())
        .isTrue();
    assertThat(schedule(Sampler.SAMPLER_DPM_SOLVER, 9).getDpmSolver().getFirstOrderEnd()).isTrue();
    assertThat(schedule(Sampler.SAMPLER_DPM_SOLVER, 10).getDpmSolver().getFirstOrderEnd())
        .isFalse();
  }

  @Test
  void shouldRefuseSamplerThatIsUnknown() {
    ModelCard card = ModelCard.newBuilder().setName("newer").setSamplerValue(99).build();

    assertThatThrownBy(() -> Schedules.schedule(card, 4))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("newer")
        .hasMessageContaining("99");
  }
}
