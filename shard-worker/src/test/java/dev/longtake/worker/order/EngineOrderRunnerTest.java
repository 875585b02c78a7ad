package dev.longtake.worker.order;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.google.protobuf.util.Durations;
import dev.longtake.common.checkpoint.SafetensorsFile;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.v1.BlockTimes;
import dev.longtake.v1.Broadcast;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.Ddim;
import dev.longtake.v1.DpmSolver;
import dev.longtake.v1.GivenFrames;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.KindTimes;
import dev.longtake.v1.MeasureBlocks;
import dev.longtake.v1.RankTrace;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.SamplerState;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.StatePart;
import dev.longtake.v1.StepCache;
import dev.longtake.v1.TraceSpan;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkFinished;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.cache.ConditionCache;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.engine.GangExchange;
import dev.longtake.worker.engine.model.ModelCatalog;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class EngineOrderRunnerTest {
  private static final long LIMIT_BYTES = 256L << 20;

  private final List<WorkEvent> events = new ArrayList<>();
  private final AtomicBoolean canceled = new AtomicBoolean();
  private CpuDevice device = CpuDevice.open(1, LIMIT_BYTES);
  private SafetensorsFile checkpoint = open();
  private EngineOrderRunner runner = runner();

  private static Path demoModel() {
    return Path.of(System.getProperty("longtake.root", ".."), "ops/demo-model");
  }

  private static SafetensorsFile open() {
    return SafetensorsFile.open(ModelFolder.open(demoModel()).ditWeights());
  }

  private EngineOrderRunner runner() {
    return new EngineOrderRunner(
        device,
        ModelCatalog.describe(ModelFolder.open(demoModel()).dit(), checkpoint.names())
            .description(),
        checkpoint,
        ConditionCache.off(device.memory()),
        () -> null,
        InstantSource.system());
  }

  @BeforeEach
  void clear() {
    events.clear();
  }

  @AfterEach
  void close() {
    runner.close();
    device.close();
    checkpoint.close();
  }

  private void run(UnaryOperator<SamplingTask.Builder> change) {
    SamplingTask.Builder task =
        SamplingTask.newBuilder()
            .setGeometry(geometry(4, 8, 8))
            .addPrompts(RowCondition.newBuilder().setNullTokens(3))
            .setRectifiedFlow(RectifiedFlow.newBuilder().setSteps(3).setTimesteps(1000))
            .setGuidance(Guidance.newBuilder().setStrength(3))
            .setSeed(7)
            .addCapture("final");
    runner.run(
        WorkOrder.newBuilder().setJobId("job").setSampling(change.apply(task)).build(),
        GangExchange.solo(),
        events::add,
        canceled::get);
  }

  @Test
  void shouldTimeOneBlockOfEachKindAndLeaveNothingBehind() {
    runner.run(
        WorkOrder.newBuilder().setMeasureBlocks(MeasureBlocks.getDefaultInstance()).build(),
        GangExchange.solo(),
        events::add,
        canceled::get);

    BlockTimes times = events.getFirst().getMeasured().getBlocks();
    assertThat(times.getKindsList())
        .extracting(KindTimes::getKind)
        .containsExactly("spatial_blocks", "temporal_blocks");
    assertThat(times.getKindsList())
        .allSatisfy(kind -> {
          assertThat(kind.getSecondsPerToken()).isPositive().isFinite();
          assertThat(kind.getSecondsPerTokenText()).isPositive().isFinite();
          assertThat(kind.getSecondsPerTokenKey()).isNotNegative().isFinite();
          assertThat(kind.getOverheadSeconds()).isNotNegative().isFinite();
        });
    assertThat(times.getStagingSecondsPerByte()).isPositive();
    assertThat(times.getEdgeSecondsPerToken()).isPositive();
    assertThat(bytesBesidesWeights()).isZero();
    assertThat(device.memory().usedBytesByTag().getOrDefault("weights", 0L)).isZero();
    assertThat(events.getLast().hasFinished()).isTrue();
  }

  @Test
  void shouldTellWhereTheTimeOfEveryStepWent() {
    run(task -> task);

    WorkEvent last = events.getLast();
    RankTrace trace = events.get(events.size() - 2).getTrace();
    assertThat(trace.getNamesList()).contains("Attend spatial_blocks.0.attn");
    assertThat(trace.getSpansList()).extracting(TraceSpan::getStep).contains(0, 1, 2, 3);
    assertThat(trace.getDropped()).isZero();
    WorkFinished finished = last.getFinished();
    assertThat(Durations.toNanos(finished.getSampling()))
        .isEqualTo(
            Durations.toNanos(finished.getCompute())
                + Durations.toNanos(finished.getExchange())
                + Durations.toNanos(finished.getIdle()));
    assertThat(Durations.toNanos(finished.getCompute())).isPositive();
    assertThat(Durations.toNanos(finished.getExchangeHidden())).isZero();
  }

  private static ClipGeometry.Builder geometry(int frames, int height, int width) {
    return ClipGeometry.newBuilder()
        .setLatentFrames(frames)
        .setLatentHeight(height)
        .setLatentWidth(width)
        .setPixelHeight(height * 8)
        .setPixelWidth(width * 8)
        .setPixelFrames(frames)
        .setFps(8);
  }

  private long bytesBesidesWeights() {
    return device.memory().usedBytesByTag().entrySet().stream()
        .filter(use -> !Set.of("weights", "scratch").contains(use.getKey()))
        .mapToLong(Map.Entry::getValue)
        .sum();
  }

  private void assertRefused(UnaryOperator<SamplingTask.Builder> change, String... words) {
    LongtakeException refusal = catchThrowableOfType(LongtakeException.class, () -> run(change));
    assertThat(refusal).isNotNull();
    assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
    assertThat(refusal.getMessage()).contains(words).doesNotContain("\n");
    assertThat(bytesBesidesWeights()).isZero();
  }

  @Test
  void shouldReportStepsLatentsAndTimesWhenAnOrderRuns() {
    run(task -> task);

    assertThat(events.stream().filter(WorkEvent::hasStepFinished)).hasSize(3);
    assertThat(events.stream().filter(WorkEvent::hasTensor)).hasSize(1);
    WorkEvent last = events.getLast();
    assertThat(last.hasFinished()).isTrue();
    assertThat(last.getFinished().getPeakDeviceBytes()).isPositive();
    assertThat(last.getFinished().getExchangedBytes()).isZero();
    assertThat(bytesBesidesWeights()).isZero();
  }

  @Test
  void shouldGiveTheSameBytesWhenAnOrderIsRepeatedAndOthersWhenTheSeedDiffers() {
    run(task -> task);
    WorkEvent first = latents();
    events.clear();
    run(task -> task);
    assertThat(latents()).isEqualTo(first);
    events.clear();
    run(task -> task.setSeed(8));
    assertThat(latents()).isNotEqualTo(first);
  }

  @Test
  void shouldRefuseToGoOnWhereAStepCacheCannotOrWithAnotherOne() {
    StepCache half =
        StepCache.newBuilder()
            .setBroadcast(Broadcast.newBuilder().setTemporal(2).setWindowFrom(0).setWindowTo(1000))
            .build();
    run(task -> task.setCheckpointEvery(1).setStepCache(half));
    List<StatePart> parts =
        events.stream().filter(WorkEvent::hasState).map(WorkEvent::getState).toList();
    // Of steps 1 and 2, the second computes everything.
    assertThat(parts).extracting(StatePart::getStepsDone).containsExactly(2);
    SamplerState.Builder state =
        SamplerState.newBuilder()
            .setStepsDone(2)
            .setLatents(parts.getFirst().getLatents().getTensor())
            .setStepCache(half);

    events.clear();
    run(task -> task.setStepCache(half).setResume(state));
    assertThat(events.getLast().hasFinished()).isTrue();
    assertRefused(
        task -> task.setResume(state),
        "same step cache, none",
        "broadcast temporal=2 window=0.0-1000.0");
    assertRefused(
        task -> task.setStepCache(half).setResume(state.clone().clearStepCache()),
        "but it is of one with none");
    assertRefused(
        task -> task.setStepCache(half).setResume(state.clone().setStepsDone(1)),
        "before a step that takes nothing over",
        "step 2 may");
    assertRefused(
        task ->
            task.setStepCache(
                StepCache.newBuilder().setBroadcast(Broadcast.newBuilder().setMlp(0))),
        "1 (computes in every step)",
        "but got 0");
  }

  private WorkEvent latents() {
    return events.stream().filter(WorkEvent::hasTensor).findFirst().orElseThrow();
  }

  @Test
  void shouldStopWithinAStepAndFreeEverythingWhenCancelled() {
    assertThatThrownBy(() ->
            runner.run(
                WorkOrder.newBuilder()
                    .setSampling(
                        SamplingTask.newBuilder()
                            .setGeometry(geometry(4, 8, 8))
                            .addPrompts(RowCondition.newBuilder().setNullTokens(3))
                            .setRectifiedFlow(
                                RectifiedFlow.newBuilder().setSteps(1000).setTimesteps(1000))
                            .setGuidance(Guidance.newBuilder().setStrength(3)))
                    .build(),
                GangExchange.solo(),
                event -> {
                  events.add(event);
                  canceled.set(true);
                },
                canceled::get))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CANCELED));

    assertThat(events).hasSize(1);
    assertThat(bytesBesidesWeights()).isZero();
    canceled.set(false);
    events.clear();
    run(task -> task);
    assertThat(events.getLast().hasFinished()).isTrue();
  }

  @Test
  void shouldNameWhatIsWrongWhenAnOrderIsImpossible() {
    assertRefused(task -> task.clearPrompts(), "at least one prompt");
    assertRefused(
        task -> task.setPrompts(0, RowCondition.newBuilder().setNullTokens(33)), "1 to 32", "33");
    assertRefused(task -> task.setPrompts(0, RowCondition.getDefaultInstance()), "null caption");
    assertRefused(task -> task.setGeometry(geometry(0, 8, 8)), "0, 8 and 8");
    assertRefused(
        task -> task.setRectifiedFlow(RectifiedFlow.newBuilder().setTimesteps(1000)),
        "1 step",
        "0");
    assertRefused(
        task ->
            task.setRectifiedFlow(
                RectifiedFlow.newBuilder().setSteps(3).setTimesteps(1000).setTransform(true)),
        "17 frames",
        "4");
    assertRefused(
        task -> task.setGuidance(Guidance.newBuilder().setStrength(Double.NaN)), "finite", "NaN");
    assertRefused(
        task -> task.setLatents(ProtoTensors.of(new float[8], List.of(2L, 4L))),
        "[1, 4, 4, 8, 8]",
        "[2, 4]");
    assertRefused(task -> task.setDecode(true), "VAE");
    assertRefused(task -> task.setPreviewEvery(1), "VAE");
    assertRefused(task -> task.setPreviewEvery(-1), "preview_every", "-1");
    assertRefused(
        task ->
            task.setDdim(Ddim.newBuilder().setSteps(3).setTimesteps(1000))
                .setFrameMask(ProtoTensors.of(new float[4], List.of(1L, 4L))),
        "no frame mask",
        "ddim");
    assertRefused(
        task -> task.setReferenceLatents(ProtoTensors.of(new float[8], List.of(2L, 4L))),
        "no reference latents");
    assertRefused(
        task -> task.setStepNoise(ProtoTensors.of(new float[8], List.of(2L, 4L))),
        "step_noise",
        "[3, 1, 4, 4, 8, 8]",
        "[2, 4]");
    assertRefused(
        task -> task.setEditNoise(ProtoTensors.of(new float[8], List.of(2L, 4L))),
        "edit_noise",
        "[3, 1, 4, 4, 8, 8]",
        "[2, 4]");
  }

  @Test
  void shouldNameWhatIsWrongWhenAStateToResumeFromIsImpossible() {
    assertRefused(task -> task.setCheckpointEvery(-1), "checkpoint_every", "-1");
    for (int stepsDone : new int[] {-1, 0, 3}) {
      assertRefused(
          task -> task.setResume(state().setStepsDone(stepsDone)),
          "resume.steps_done of 1 to 2",
          "3 steps",
          "got " + stepsDone);
    }
    assertRefused(
        task -> task.setResume(state().setLatents(ProtoTensors.of(new float[8], List.of(2L, 4L)))),
        "resume.latents",
        "[1, 4, 4, 8, 8]",
        "[2, 4]");
    assertRefused(
        task -> task.setResume(state().setPrevious(state().getLatents())),
        "resume.previous",
        "got one for rectified_flow");
    UnaryOperator<SamplingTask.Builder> solver =
        task -> task.setDpmSolver(DpmSolver.newBuilder().setSteps(3).setTimesteps(1000));
    assertRefused(
        task -> solver.apply(task).setResume(state()), "resume.previous", "none for dpm_solver");
    assertRefused(
        task ->
            solver
                .apply(task)
                .setResume(state().setPrevious(ProtoTensors.of(new float[1], List.of(1L)))),
        "resume.previous",
        "[1, 4, 4, 8, 8]",
        "[1]");
  }

  @Test
  void shouldNameWhatIsWrongWhenGivenFramesAreImpossible() {
    assertRefused(
        task -> task.setGivenFrames(given(0)),
        "1 to 3 frames",
        "the clip has 4",
        "[1, 4, 0, 8, 8]");
    assertRefused(task -> task.setGivenFrames(given(4)), "1 to 3 frames", "[1, 4, 4, 8, 8]");
    assertRefused(
        task ->
            task.setGivenFrames(
                GivenFrames.newBuilder()
                    .setLatents(ProtoTensors.of(new float[2], List.of(1L, 1L, 2L)))),
        "given_frames.latents",
        "[1, 4, 2, 8, 8]",
        "[1, 1, 2]");
    for (double ratio : new double[] {-0.1, 1, Double.NaN}) {
      assertRefused(
          task -> task.setGivenFrames(given(2).setEditRatio(ratio)),
          "given_frames.edit_ratio",
          "got " + ratio);
    }
    assertRefused(
        task ->
            task.setGivenFrames(given(2))
                .setFrameMask(ProtoTensors.of(new float[4], List.of(1L, 4L))),
        "either given_frames or frame_mask");
    assertRefused(
        task ->
            task.setDdim(Ddim.newBuilder().setSteps(3).setTimesteps(1000)).setGivenFrames(given(2)),
        "no given frames",
        "ddim");
    assertRefused(task -> task.setDecodeFrom(-1), "decode_from", "0 to 3", "-1");
    assertRefused(task -> task.setDecodeFrom(4), "decode_from", "0 to 3", "got 4");
  }

  private static GivenFrames.Builder given(int frames) {
    return GivenFrames.newBuilder()
        .setLatents(
            ProtoTensors.of(new float[256 * frames], List.of(1L, 4L, (long) frames, 8L, 8L)));
  }

  private static SamplerState.Builder state() {
    return SamplerState.newBuilder()
        .setStepsDone(1)
        .setLatents(ProtoTensors.of(new float[1024], List.of(1L, 4L, 4L, 8L, 8L)));
  }

  @Test
  void shouldSendTheStateBeforeTheStepItIsOfAndNoneAfterTheLast() {
    run(task ->
        task.setCheckpointEvery(2)
            .setRectifiedFlow(RectifiedFlow.newBuilder().setSteps(6).setTimesteps(1000)));

    assertThat(events.stream().map(WorkEvent::getEventCase).toList().subList(0, 8))
        .containsExactly(
            WorkEvent.EventCase.STEP_FINISHED,
            WorkEvent.EventCase.STATE,
            WorkEvent.EventCase.STEP_FINISHED,
            WorkEvent.EventCase.STEP_FINISHED,
            WorkEvent.EventCase.STATE,
            WorkEvent.EventCase.STEP_FINISHED,
            WorkEvent.EventCase.STEP_FINISHED,
            WorkEvent.EventCase.STEP_FINISHED);
    assertThat(events.stream().filter(WorkEvent::hasState))
        .extracting(event -> event.getState().getStepsDone())
        .containsExactly(2, 4);
  }

  @Test
  void shouldRefuseWithNumbersAndGoOnWhenAClipDoesNotFit() {
    LongtakeException refusal =
        catchThrowableOfType(
            LongtakeException.class, () -> run(task -> task.setGeometry(geometry(64, 128, 128))));

    assertThat(refusal.code()).isEqualTo(ErrorCode.OUT_OF_MEMORY);
    assertThat(bytesBesidesWeights()).isZero();
    events.clear();
    run(task -> task);
    assertThat(events.getLast().hasFinished()).isTrue();
  }

  @Test
  void shouldNeedMemoryInProportionToTokens() {
    // Peak bytes only grow, so the smaller clip goes first; weights and scratch are the same for
    // both.
    run(task -> task.setGeometry(geometry(4, 16, 16)));
    long small = events.getLast().getFinished().getPeakDeviceBytes();
    run(task -> task.setGeometry(geometry(8, 16, 16)));
    long medium = events.getLast().getFinished().getPeakDeviceBytes();
    run(task -> task.setGeometry(geometry(16, 16, 16)));
    long large = events.getLast().getFinished().getPeakDeviceBytes();

    // Doubling the tokens adds what the first doubling added, twice. Small tables grow with them.
    assertThat((double) (large - medium) / (medium - small)).isBetween(1.95, 2.05);
  }
}
