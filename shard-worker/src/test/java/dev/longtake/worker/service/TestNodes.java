package dev.longtake.worker.service;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.partition.Grain;
import dev.longtake.v1.ForwardTask;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Plan;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.exchange.ExchangeSettings;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Workers without a model, for tests of what is around it. */
final class TestNodes {
  static final ModelCard MODEL =
      ModelCard.newBuilder().setName("tiny").setFingerprint("feed").build();

  static final PixelEncoder NO_PIXELS =
      request -> {
        throw new LongtakeException(ErrorCode.INVALID_MODEL, "Expected an encoder, but have none");
      };

  private TestNodes() {}

  static WorkerNode node(OrderRunner runner, @Nullable PromptEncoder encoder) {
    return new WorkerNode(
        MODEL, "cpu", "a test", "", 1, Grain.WHOLE, 1 << 20, runner, encoder, NO_PIXELS, () -> {});
  }

  static WorkerSettings settings(Duration eventTimeout) {
    return settings(eventTimeout, /* maxOrders= */ 1);
  }

  static WorkerSettings settings(Duration eventTimeout, int maxOrders) {
    return new WorkerSettings(
        "127.0.0.1",
        0,
        "127.0.0.1",
        null,
        null,
        "",
        ExchangeSettings.defaults(),
        Duration.ofSeconds(60),
        eventTimeout,
        maxOrders);
  }

  /** An order for a gang of which the worker is rank 0. */
  static WorkOrder.Builder order(String jobId, List<String> gang) {
    return WorkOrder.newBuilder()
        .setJobId(jobId)
        .setAttempt(1)
        .setRank(0)
        .addAllGang(gang)
        .setPlan(Plan.newBuilder().setSequenceRanks(gang.size()))
        .setModelFingerprint(MODEL.getFingerprint())
        .setForward(ForwardTask.getDefaultInstance());
  }
}
