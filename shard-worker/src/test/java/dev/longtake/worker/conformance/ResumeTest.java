package dev.longtake.worker.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.v1.Ancestral;
import dev.longtake.v1.Ddim;
import dev.longtake.v1.DpmSolver;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.GuidedFlow;
import dev.longtake.v1.ImageGuidance;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.SamplerState;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.StatePart;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.TensorSlice;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.order.ProtoTensors;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The state that any plan's ranks send after any step, and a run that goes on from it with any other plan: the bits are those of the run
 * that was never interrupted. Every plan goes on from a state that another plan made, after a step that a seed draws.
 */
class ResumeTest {
  private static final int FRAMES = 4;

  /** A model and what it samples; the number of steps is of the schedule. */
  record Case(String model, int steps, WorkOrder.Builder order) {
    @Override
    public String toString() {
      return order.getSampling().getScheduleCase() + " on " + model;
    }
  }

  static Stream<Case> cases() {
    return Stream.of(
        // Kept and edited frames: noise that depends on the step.
        of("stdit_v3", 4, task -> task.setFrameMask(mask()).setRectifiedFlow(flow(4))),
        of(
            "stdit_v3",
            4,
            task -> task.setDpmSolver(DpmSolver.newBuilder().setSteps(4).setTimesteps(1000))),
        of(
            "stdit_v3",
            4,
            task -> task.setDdim(Ddim.newBuilder().setSteps(4).setTimesteps(1000).setEta(0.7))),
        of(
            "stdit_v1",
            4,
            task ->
                task.setAncestral(Ancestral.newBuilder().setSteps(4).setTimesteps(1000))
                    .setGuidance(Guidance.newBuilder().setStrength(7).setGuidedChannels(3))),
        guidedFlow());
  }

  private static Case of(
      String model, int steps, Function<SamplingTask.Builder, SamplingTask.Builder> change) {
    SamplingTask.Builder task =
        SamplingTask.newBuilder()
            .setGeometry(RandomTasks.clip(FRAMES, 5, 7))
            .addPrompts(RandomTasks.text(new Random(3), 7, 32))
            .setGuidance(Guidance.newBuilder().setStrength(7))
            .setSeed(8)
            .setCheckpointEvery(1)
            .addCapture("final");
    return new Case(model, steps, WorkOrder.newBuilder().setSampling(change.apply(task)));
  }

  /** Long enough for guidance to oscillate: steps 11 and 13 differ from 12. */
  private static Case guidedFlow() {
    Random random = new Random(5);
    return of(
        "mmdit_v2_liger_unfused",
        14,
        task ->
            task.setGeometry(RandomTasks.clip(3, 6, 4))
                .setPrompts(0, RandomTasks.pooled(random, 5))
                .addNullConditions(RandomTasks.pooled(random, 3))
                .setReferenceLatents(RandomForward.normal(random, 1, 5, 3, 6, 4))
                .setGuidedFlow(GuidedFlow.newBuilder().setSteps(14).setShift(true))
                .setGuidance(
                    Guidance.newBuilder()
                        .setStrength(7)
                        .setOscillating(true)
                        .setImage(
                            ImageGuidance.newBuilder()
                                .setStrength(3)
                                .setOscillating(true)
                                .setTemporalScaling(true))));
  }

  private static RectifiedFlow.Builder flow(int steps) {
    return RectifiedFlow.newBuilder().setSteps(steps).setTimesteps(1000);
  }

  private static Tensor mask() {
    return ProtoTensors.of(new float[] {0, 0.4f, 0.7f, 1}, List.of(1L, (long) FRAMES));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void shouldGiveTheSameBitsWhenARunGoesOnFromAnyStepWithAnotherPlan(Case sampled) {
    Path folder = GoldenFolders.golden(sampled.model);
    List<ExecutionPlan> plans = PlanMatrixTest.plans(PlanMatrixTest.profile(folder), 3);
    int most = plans.stream().mapToInt(ExecutionPlan::workers).max().orElseThrow();
    Random random = new Random(29);
    try (ThreadGang gang = new ThreadGang(folder, most, 1)) {
      Map<String, Captured> undisturbed = gang.run(sampled.order, plans.getFirst());
      List<SamplerState> expected = states(gang.states());
      assertThat(expected).hasSize(sampled.steps - 1);
      for (ExecutionPlan plan : plans) {
        int stepsDone = 1 + random.nextInt(sampled.steps - 1);
        WorkOrder.Builder rest = sampled.order.clone();
        rest.getSamplingBuilder().setResume(expected.get(stepsDone - 1));

        Map<String, Captured> latents = gang.run(rest, plan);

        String place = "from step %d with %s".formatted(stepsDone, plan);
        ShardedEqualityTest.assertSameBits(latents, undisturbed, place);
        // Any plan's state is every plan's state.
        assertThat(states(gang.states()))
            .as(place)
            .isEqualTo(expected.subList(stepsDone, expected.size()));
        assertThat(gang.activationBytes()).as("left behind, %s", place).isZero();
      }
    }
  }

  /** The states that parts make up, by steps done. */
  static List<SamplerState> states(List<StatePart> parts) {
    List<SamplerState> states = new ArrayList<>();
    parts.stream()
        .mapToInt(StatePart::getStepsDone)
        .distinct()
        .sorted()
        .forEach(stepsDone -> {
          List<StatePart> own =
              parts.stream().filter(part -> part.getStepsDone() == stepsDone).toList();
          SamplerState.Builder state =
              SamplerState.newBuilder()
                  .setStepsDone(stepsDone)
                  .setRestReused(own.getFirst().getRestReused())
                  .setLatents(whole(own.stream().map(StatePart::getLatents).toList()));
          if (own.getFirst().hasPrevious()) {
            state.setPrevious(whole(own.stream().map(StatePart::getPrevious).toList()));
          }
          states.add(state.build());
        });
    return states;
  }

  private static Tensor whole(List<TensorSlice> slices) {
    SliceAssembly assembly = new SliceAssembly();
    slices.forEach(assembly::add);
    Captured whole = assembly.assemble().values().iterator().next();
    long sent = slices.stream().mapToLong(slice -> slice.getTensor().getData().size() / 4).sum();
    assertThat(sent).as("each element once").isEqualTo(whole.values().length);
    return ProtoTensors.of(whole.values(), whole.shape());
  }
}
