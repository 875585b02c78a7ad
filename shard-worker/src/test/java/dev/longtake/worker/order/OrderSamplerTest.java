package dev.longtake.worker.order;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.v1.Ancestral;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.Ddim;
import dev.longtake.v1.DpmSolver;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.GuidedFlow;
import dev.longtake.v1.ImageGuidance;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.SamplingTask;
import dev.longtake.worker.engine.model.ModelCatalog;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.sampler.Sampler;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Test;

class OrderSamplerTest {
  private final ModelDescription model = model();

  private static ModelDescription model() {
    Path folder = Path.of(System.getProperty("longtake.root", ".."), "ops/demo-model");
    return ModelCatalog.describe(ModelFolder.open(folder).dit(), Set.of()).description();
  }

  private Sampler sampler(SamplingTask.Builder task) {
    return OrderSampler.sampler(task.build(), model);
  }

  private void assertRefused(SamplingTask.Builder task, String... words) {
    LongtakeException refusal =
        catchThrowableOfType(
            LongtakeException.class,
            () -> {
              OrderSampler.sampler(task.build(), model);
              OrderSampler.guidance(task.build(), model);
            });
    assertThat(refusal).isNotNull();
    assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
    assertThat(refusal.getMessage()).contains(words).doesNotContain("\n");
  }

  private static SamplingTask.Builder flow(int steps, int timesteps, boolean transform) {
    return SamplingTask.newBuilder()
        .setGeometry(ClipGeometry.newBuilder().setPixelFrames(4))
        .setRectifiedFlow(
            RectifiedFlow.newBuilder()
                .setSteps(steps)
                .setTimesteps(timesteps)
                .setTransform(transform));
  }

  private static SamplingTask.Builder ancestral(int steps, int timesteps) {
    return SamplingTask.newBuilder()
        .setAncestral(Ancestral.newBuilder().setSteps(steps).setTimesteps(timesteps));
  }

  private static SamplingTask.Builder ddim(Ddim.Builder ddim) {
    return SamplingTask.newBuilder().setDdim(ddim.setSteps(50).setTimesteps(1000));
  }

  private static SamplingTask.Builder solver(int steps, DpmSolver.Builder solver) {
    return SamplingTask.newBuilder().setDpmSolver(solver.setSteps(steps).setTimesteps(1000));
  }

  private static SamplingTask.Builder guided(Guidance.Builder guidance) {
    return ancestral(20, 1000).setGuidance(guidance);
  }

  @Test
  void shouldTakeEveryScheduleWithinItsLimits() {
    assertThat(sampler(flow(30, 1000, false)).steps()).isEqualTo(30);
    assertThat(
            sampler(SamplingTask.newBuilder().setGuidedFlow(GuidedFlow.newBuilder().setSteps(50)))
                .steps())
        .isEqualTo(50);
    assertThat(sampler(ancestral(1000, 1000)).steps()).isEqualTo(1000);
    assertThat(sampler(ancestral(1, 1000)).steps()).isEqualTo(1);
    var offset = Ddim.newBuilder().setSpacing(Ddim.Spacing.SPACING_LEADING).setOffset(19);
    assertThat(sampler(ddim(offset)).steps()).isEqualTo(50);
    assertThat(sampler(solver(2, DpmSolver.newBuilder())).steps()).isEqualTo(2);
  }

  @Test
  void shouldNameWhatIsWrongWithASchedule() {
    assertRefused(SamplingTask.newBuilder(), "schedule", "rectified_flow", "none");
    assertRefused(flow(0, 1000, false), "at least 1 step", "10000", "0");
    assertRefused(flow(Integer.MAX_VALUE, 1000, false), "at most 10000", "2147483647");
    assertRefused(flow(30, 0, false), "1 timestep", "0");
    assertRefused(flow(30, 1000, true), "17 frames", "4");
    assertRefused(
        SamplingTask.newBuilder().setGuidedFlow(GuidedFlow.newBuilder().setSteps(-1)),
        "at least 1 step",
        "-1");
    assertRefused(ancestral(1001, 1000), "at most 1000", "1001");
    assertRefused(ancestral(20, 99), "100 to 100000 timesteps", "99");
    assertRefused(ancestral(20, 1 << 30), "100 to 100000 timesteps", "1073741824");
    assertRefused(ddim(Ddim.newBuilder().setEta(1.5)), "between 0 and 1", "1.5");
    assertRefused(ddim(Ddim.newBuilder().setEta(Double.NaN)), "between 0 and 1", "NaN");
    assertRefused(ddim(Ddim.newBuilder().setSpacingValue(9)), "leading", "9");
    assertRefused(ddim(Ddim.newBuilder().setOffset(1)), "0 to 0", "evenly", "1");
    assertRefused(
        ddim(Ddim.newBuilder().setSpacing(Ddim.Spacing.SPACING_LEADING).setOffset(20)),
        "0 to 19",
        "leading",
        "20");
    assertRefused(solver(1, DpmSolver.newBuilder()), "at least 2 steps", "1 of 1000");
    assertRefused(solver(20, DpmSolver.newBuilder().setSpacingValue(7)), "linspace", "7");
    assertRefused(
        solver(20, DpmSolver.newBuilder().setNoisyEnd(true)), "noisy_end", "time_uniform");
    var linspace = DpmSolver.newBuilder().setSpacing(DpmSolver.Spacing.SPACING_LINSPACE);
    assertRefused(solver(20, linspace), "order 1", "first_order_end or noisy_end");
    assertRefused(solver(1000, linspace.setNoisyEnd(true)), "fewer than timesteps", "1000 of 1000");
  }

  @Test
  void shouldNameWhatIsWrongWithGuidance() {
    assertRefused(
        guided(Guidance.newBuilder().setStrength(Double.POSITIVE_INFINITY)), "finite", "Infinity");
    assertRefused(guided(Guidance.newBuilder().setGuidedChannels(5)), "0 (all) to 4", "5");
    assertRefused(guided(Guidance.newBuilder().setGuidedChannels(-1)), "0 (all) to 4", "-1");
    assertRefused(
        guided(Guidance.newBuilder().setImage(ImageGuidance.newBuilder().setStrength(Double.NaN))),
        "finite",
        "NaN");
    assertRefused(
        guided(
            Guidance.newBuilder()
                .setDistilled(true)
                .setImage(ImageGuidance.newBuilder().setStrength(3))),
        "distilled",
        "3.0");
  }

  @Test
  void shouldGuideAllChannelsWhenNoneAreNamed() {
    var guidance =
        OrderSampler.guidance(guided(Guidance.newBuilder().setStrength(7)).build(), model);

    assertThat(guidance.guidedChannels()).isEqualTo(model.latentChannels());
    assertThat(guidance.branches()).isEqualTo(2);
  }
}
