package dev.longtake.worker.engine.gang;

import dev.longtake.worker.device.Device;
import dev.longtake.worker.engine.ComputeTurn;
import dev.longtake.worker.engine.GangExchange;
import dev.longtake.worker.engine.LaneExchange;
import dev.longtake.worker.engine.exec.PreparedTexts;
import dev.longtake.worker.engine.exec.Weights;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.trace.LaneTrace;
import dev.longtake.worker.engine.trace.RankTrace;

/**
 * What a rank works with. Owns none of it.
 *
 * @param texts where prepared texts come from
 * @param turn whoever computes on the device has it
 * @param exchange with a lane for each micro-batch, and behind them one for the job itself
 * @param trace with as many lanes
 */
public record RankWork(
    Device device,
    Program program,
    Weights weights,
    RankShare share,
    PreparedTexts texts,
    ComputeTurn turn,
    GangExchange exchange,
    RankTrace trace) {
  /** The lane of the job itself: latents between stages, predictions between branch groups. */
  int home() {
    return share.plan().microBatches();
  }

  /** The time line of the job itself. */
  public LaneTrace homeTrace() {
    return trace.lane(home());
  }

  LaneExchange exchange(int lane) {
    return new LaneExchange(exchange.lane(lane), turn, trace.lane(lane));
  }
}
