package dev.longtake.worker.order;

import com.google.protobuf.Duration;
import com.google.protobuf.util.Durations;
import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.Plans;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.common.stepcache.StepCaches;
import dev.longtake.common.tensor.DType;
import dev.longtake.v1.BlockTimes;
import dev.longtake.v1.Measured;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Precision;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkFinished;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerReport;
import dev.longtake.worker.cache.ConditionCache;
import dev.longtake.worker.cache.OrderTexts;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.engine.ComputeTurn;
import dev.longtake.worker.engine.GangExchange;
import dev.longtake.worker.engine.exec.Weights;
import dev.longtake.worker.engine.gang.RankShare;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.trace.RankTrace;
import dev.longtake.worker.measure.BlockMeasurement;
import dev.longtake.worker.measure.ForwardCheck;
import dev.longtake.worker.measure.LinkMeasurement;
import dev.longtake.worker.media.FrameDecoder;
import dev.longtake.worker.service.OrderRunner;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.InstantSource;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Carries out orders on a device, several at once if asked: they take turns on it. The weights stay loaded from one order to the
 * next, and so do prepared texts. Thread-safe. Owns the weights, the texts and the decoder, not the device or the checkpoint.
 */
public final class EngineOrderRunner implements OrderRunner, AutoCloseable {
  private final Device device;
  private final ModelDescription model;
  private final ModelProfile profile;
  private final Checkpoint checkpoint;
  private final WeightStore weights;
  private final DecoderSlot decoder;
  private final ConditionCache texts;
  private final InstantSource clock;
  private final MeterRegistry registry;
  private final ComputeTurn turn = new ComputeTurn();

  /** A runner whose meters nobody reads. */
  public EngineOrderRunner(
      Device device,
      ModelDescription model,
      Checkpoint checkpoint,
      ConditionCache texts,
      Supplier<@Nullable FrameDecoder> decoders,
      InstantSource clock) {
    this(device, model, checkpoint, texts, decoders, clock, new SimpleMeterRegistry());
  }

  /**
   * A runner for one model.
   *
   * @param texts kept from order to order; owned by the runner from then on
   * @param decoders opens the frame decoder when it is first needed; gives null where the model has none
   * @param clock for traces
   * @param registry of the process
   */
  public EngineOrderRunner(
      Device device,
      ModelDescription model,
      Checkpoint checkpoint,
      ConditionCache texts,
      Supplier<@Nullable FrameDecoder> decoders,
      InstantSource clock,
      MeterRegistry registry) {
    this.device = device;
    this.model = model;
    this.profile = ModelProfiles.of(model);
    this.checkpoint = checkpoint;
    this.weights = new WeightStore(device, checkpoint);
    this.texts = texts;
    this.decoder = new DecoderSlot(decoders);
    this.clock = clock;
    this.registry = registry;
    DeviceMeters.bind(registry, device);
  }

  @Override
  public void run(
      WorkOrder order,
      GangExchange exchange,
      Consumer<WorkEvent> events,
      BooleanSupplier canceled) {
    switch (order.getTaskCase()) {
      case MEASURE_LINK -> {
        new LinkMeasurement(exchange, order).run(events);
        events.accept(finished(WorkFinished.newBuilder(), exchange));
      }
      case MEASURE_BLOCKS -> {
        events.accept(measured(order));
        events.accept(finished(WorkFinished.newBuilder(), exchange));
      }
      case SAMPLING, FORWARD -> runTask(order, exchange, events, canceled);
      case TASK_NOT_SET ->
          throw LongtakeException.invalidField(
              "task", "Expected an order with a task, but it has none");
    }
  }

  private WorkEvent measured(WorkOrder order) {
    Precision precision =
        order.getPrecision() == Precision.PRECISION_UNSPECIFIED
            ? Precision.PRECISION_F32
            : order.getPrecision();
    turn.take();
    try {
      BlockTimes times =
          new BlockMeasurement(device, model, profile, checkpoint, device.threads())
              .run(order.getMeasureBlocks(), precision, blockType(precision));
      return WorkEvent.newBuilder().setMeasured(Measured.newBuilder().setBlocks(times)).build();
    } finally {
      turn.give();
    }
  }

  private void runTask(
      WorkOrder order,
      GangExchange exchange,
      Consumer<WorkEvent> events,
      BooleanSupplier canceled) {
    ExecutionPlan plan = plan(order, exchange);
    StepCacheMode stepCache = StepCaches.of(order.getSampling().getStepCache(), profile);
    Program program = Program.compile(model, RankShare.sharding(plan, exchange.rank(), stepCache));
    long start = System.nanoTime();
    try (WeightStore.Lease lease = lease(program, blockType(order.getPrecision()))) {
      int home = plan.microBatches();
      RankTrace trace =
          new RankTrace(home + 1, new StepMeters(registry, plan, exchange.rank(), home));
      Traces traces = new Traces(exchange.rank(), trace, clock.instant());
      OrderTexts orderTexts = texts.forOrder(turn);
      OrderWork work =
          new OrderWork(
              device,
              program,
              lease.weights(),
              plan,
              orderTexts,
              turn,
              exchange,
              trace,
              events,
              canceled);
      WorkFinished.Builder finished = WorkFinished.newBuilder();
      finished.setDecode(Durations.fromNanos(carryOut(order, work, finished, start)));
      events.accept(WorkEvent.newBuilder().setTrace(traces.message()).build());
      traces.report(finished);
      finished.setTexts(orderTexts.work());
      events.accept(finished(finished, exchange));
    }
  }

  /** Packing weights takes the device's threads. */
  private WeightStore.Lease lease(Program program, DType blockType) {
    turn.take();
    try {
      return weights.lease(program, blockType);
    } finally {
      turn.give();
    }
  }

  /** Returns the nanoseconds spent on decoding. */
  private long carryOut(
      WorkOrder order, OrderWork work, WorkFinished.Builder finished, long startNanos) {
    return switch (order.getTaskCase()) {
      case SAMPLING -> {
        FrameDecoder frames = SamplingOrder.wantsPixels(order.getSampling()) ? decoder.get() : null;
        finished.setLoad(since(startNanos));
        yield new SamplingOrder(work, frames, order.getSampling(), profile).run(finished);
      }
      case FORWARD -> {
        finished.setLoad(since(startNanos));
        new ForwardOrder(work, order.getForward()).run();
        yield 0;
      }
      case MEASURE_BLOCKS, MEASURE_LINK, TASK_NOT_SET ->
          throw new IllegalArgumentException("Expected a task with a plan");
    };
  }

  /** An order without a plan of its own is for a gang that only shares sequences. */
  private ExecutionPlan plan(WorkOrder order, GangExchange exchange) {
    ExecutionPlan plan =
        Plans.of(
            order.hasPlan()
                ? order.getPlan()
                : dev.longtake.v1.Plan.newBuilder().setSequenceRanks(exchange.ranks()).build(),
            profile);
    OrderGeometry.require(
        plan.workers() == exchange.ranks(),
        "plan",
        "Expected a plan for the %d workers of the gang, but it is for %d: %d branch groups x %d stages x %d sequence ranks"
            .formatted(
                exchange.ranks(),
                plan.workers(),
                plan.branchGroups(),
                plan.stages().size(),
                plan.sequenceRanks()));
    return plan;
  }

  private WorkEvent finished(WorkFinished.Builder finished, GangExchange exchange) {
    return WorkEvent.newBuilder()
        .setFinished(
            finished
                .setExchangedBytes(exchange.sentBytes())
                .addAllSentBytesByRank(exchange.sentBytesByRank())
                .setPeakDeviceBytes(device.memory().peakBytes())
                .setPeakExchangeBytes(exchange.peakBytes()))
        .build();
  }

  private static Duration since(long startNanos) {
    return Durations.fromNanos(System.nanoTime() - startNanos);
  }

  private DType blockType(Precision precision) {
    return switch (precision) {
      case PRECISION_UNSPECIFIED, PRECISION_F32 -> DType.F32;
      case PRECISION_BF16 -> {
        if (!device.supports(DType.BF16)) {
          throw LongtakeException.invalidField(
              "precision",
              "Expected precision f32, because device %s (%s) has no bfloat16 products"
                  .formatted(device.name(), device.detail()));
        }
        yield DType.BF16;
      }
      case UNRECOGNIZED ->
          throw LongtakeException.invalidField(
              "precision", "Expected precision f32 or bf16, but got an unknown one");
    };
  }

  /** Weights that orders have loaded are used, others are loaded and freed again. */
  @Override
  public float @Nullable [] check() {
    if (!turn.takeIfFree()) {
      return null;
    }
    try {
      ForwardCheck check = new ForwardCheck(device, model, profile);
      try (WeightStore.Lease lease = weights.leaseIfLoaded(check.program(), DType.F32)) {
        if (lease != null) {
          return check.run(lease.weights());
        }
      }
      try (Weights own = Weights.load(device, checkpoint, check.program(), DType.F32)) {
        return check.run(own);
      }
    } catch (LongtakeException e) {
      if (e.code() == ErrorCode.OUT_OF_MEMORY) {
        // Idle weights fill the device; the next order makes room.
        return null;
      }
      throw e;
    } finally {
      turn.give();
    }
  }

  @Override
  public WorkerReport report() {
    return WorkerReport.newBuilder()
        .setConditionCache(texts.status())
        .setMemory(DeviceMeters.use(device.memory()))
        .build();
  }

  @Override
  public void close() {
    texts.close();
    weights.close();
    decoder.close();
  }
}
