package dev.longtake.worker.order;

import com.google.protobuf.Duration;
import com.google.protobuf.util.Durations;
import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tensor.DType;
import dev.longtake.v1.Precision;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkFinished;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.exec.Weights;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.media.FrameDecoder;
import dev.longtake.worker.service.OrderRunner;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Carries out orders on a device. The weights stay loaded from one order to the next, in the precision last used. One order at a
 * time. Owns the weights and the decoder, not the device or the checkpoint.
 */
public final class EngineOrderRunner implements OrderRunner, AutoCloseable {
  private final Device device;
  private final ModelDescription model;
  private final Checkpoint checkpoint;
  private final Supplier<@Nullable FrameDecoder> decoders;
  private @Nullable Weights weights;
  private @Nullable FrameDecoder decoder;

  /**
   * A runner for one model.
   *
   * @param decoders opens the frame decoder when it is first needed; gives null where the model has none
   */
  public EngineOrderRunner(
      Device device,
      ModelDescription model,
      Checkpoint checkpoint,
      Supplier<@Nullable FrameDecoder> decoders) {
    this.device = device;
    this.model = model;
    this.checkpoint = checkpoint;
    this.decoders = decoders;
  }

  @Override
  public void run(
      WorkOrder order, Exchange exchange, Consumer<WorkEvent> events, BooleanSupplier canceled) {
    long start = System.nanoTime();
    Program program = Program.compile(model, exchange.ranks());
    Weights loaded = weights(program, order.getPrecision());
    WorkFinished.Builder finished = WorkFinished.newBuilder();
    switch (order.getTaskCase()) {
      case SAMPLING -> {
        FrameDecoder frames = order.getSampling().getDecode() ? decoder() : null;
        finished.setLoad(since(start));
        SamplingOrder.Times times =
            new SamplingOrder(
                    device,
                    program,
                    loaded,
                    frames,
                    order.getSampling(),
                    exchange,
                    events,
                    canceled)
                .run();
        finished
            .setCompute(Durations.fromNanos(times.sampling()))
            .setExchange(Durations.fromNanos(times.exchange()))
            .setDecode(Durations.fromNanos(times.decode()));
      }
      case FORWARD -> {
        finished.setLoad(since(start));
        long begin = System.nanoTime();
        long exchangeNanos =
            new ForwardOrder(device, program, loaded, order.getForward(), exchange, events).run();
        finished
            .setCompute(Durations.fromNanos(System.nanoTime() - begin - exchangeNanos))
            .setExchange(Durations.fromNanos(exchangeNanos));
      }
      case MEASURE_BLOCKS, MEASURE_LINK, TASK_NOT_SET ->
          throw LongtakeException.invalidField(
              "task", "Expected an order with a sampling or a forward task, but it has none");
    }
    events.accept(
        WorkEvent.newBuilder()
            .setFinished(
                finished
                    .setExchangedBytes(exchange.sentBytes())
                    .setPeakDeviceBytes(device.memory().peakBytes()))
            .build());
  }

  private static Duration since(long startNanos) {
    return Durations.fromNanos(System.nanoTime() - startNanos);
  }

  private Weights weights(Program program, Precision precision) {
    DType type = blockType(precision);
    Weights current = weights;
    if (current != null && current.blockType() == type) {
      return current;
    }
    if (current != null) {
      weights = null;
      current.close();
    }
    Weights loaded = Weights.load(device, checkpoint, program, type);
    weights = loaded;
    return loaded;
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

  private @Nullable FrameDecoder decoder() {
    if (decoder == null) {
      decoder = decoders.get();
    }
    return decoder;
  }

  @Override
  public void close() {
    if (weights != null) {
      weights.close();
      weights = null;
    }
    if (decoder != null) {
      decoder.close();
      decoder = null;
    }
  }
}
