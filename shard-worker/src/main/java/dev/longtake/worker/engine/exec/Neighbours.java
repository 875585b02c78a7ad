package dev.longtake.worker.engine.exec;

import dev.longtake.common.plan.WireFormat;
import dev.longtake.worker.engine.Exchange;

/**
 * Whom a rank exchanges with in one lane.
 *
 * @param all the gang's exchange, for the stages before and after
 * @param sequence the ranks that share the sequences of this stage
 * @param previous rank in {@code all} of the stage before, or {@link #NOBODY}
 * @param next rank in {@code all} of the next stage, or {@link #NOBODY}
 * @param wireFormat how activations travel
 */
public record Neighbours(
    Exchange all, Exchange sequence, int previous, int next, WireFormat wireFormat) {
  /** There is no such stage. */
  public static final int NOBODY = -1;

  /** One stage with all blocks. */
  public static Neighbours sequence(Exchange exchange) {
    return new Neighbours(exchange, exchange, NOBODY, NOBODY, WireFormat.STORED);
  }
}
