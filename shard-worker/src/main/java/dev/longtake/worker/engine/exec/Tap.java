package dev.longtake.worker.engine.exec;

import dev.longtake.worker.device.Matrix;
import org.jspecify.annotations.Nullable;

/** Receives intermediate results by the names under which the reference implementation has them. */
public interface Tap {
  /** Asks for nothing. */
  Tap NONE =
      new Tap() {
        @Override
        public boolean wants(String name) {
          return false;
        }

        @Override
        public void take(String name, Matrix value, @Nullable TokenLayout layout) {}
      };

  boolean wants(String name);

  /**
   * Called while the value is there; it must be copied before this returns.
   *
   * @param layout of the rows, or null when every rank holds the whole value
   */
  void take(String name, Matrix value, @Nullable TokenLayout layout);
}
