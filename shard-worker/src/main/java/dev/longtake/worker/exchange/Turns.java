package dev.longtake.worker.exchange;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.internal.ThreadExecutorMap;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Work that an event loop does piece by piece, writing to the socket between two pieces. Callbacks alone would not do: the loop calls
 * them for all that it has just read and only then writes, so chunks and credits would travel in bunches, and one side would always
 * wait for the other. Used by the event loop's thread only.
 */
final class Turns {
  private final BooleanSupplier piece;
  private final Runnable turn = this::turn;
  private boolean isRunning;

  /**
   * Nothing runs yet.
   *
   * @param piece does one piece of the work; false when there is none
   */
  Turns(BooleanSupplier piece) {
    this.piece = piece;
  }

  /** There may be work: the first piece is done at once, the others in turns of their own. */
  void wake() {
    if (!isRunning) {
      isRunning = true;
      turn();
    }
  }

  private void turn() {
    EventExecutor loop = eventLoop();
    while (piece.getAsBoolean()) {
      if (loop != null) {
        // Behind the task that writes what this piece has sent.
        loop.execute(turn);
        return;
      }
    }
    isRunning = false;
  }

  /** The event loop that runs this thread; null when none does. */
  private static @Nullable EventExecutor eventLoop() {
    return ThreadExecutorMap.currentExecutor();
  }
}
