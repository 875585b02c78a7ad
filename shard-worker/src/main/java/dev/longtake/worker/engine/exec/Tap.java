package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Matrix;
import java.util.List;
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

        @Override
        public void takeText(String name, Matrix value, List<Range> tokens) {}

        @Override
        public void takeWholeText(String name, Matrix value, int firstToken) {}
      };

  boolean wants(String name);

  /**
   * Called while the value is there; it must be copied before this returns. Where the rank computes piece by piece, it is called for every
   * piece.
   *
   * @param value rows {@code [branch, frame, patch]} of the layout
   * @param layout of the rows, or null when every rank holds the whole value, one row per branch
   */
  void take(String name, Matrix value, @Nullable TokenLayout layout);

  /**
   * The same for text tokens.
   *
   * @param value this rank's text rows
   * @param tokens which they are: ranges of the text tokens of all branches, packed behind each other
   */
  void takeText(String name, Matrix value, List<Range> tokens);

  /**
   * The same for text tokens that every rank holds.
   *
   * @param value rows of one branch's text tokens
   * @param firstToken where they begin in the text tokens of all branches, packed behind each other
   */
  void takeWholeText(String name, Matrix value, int firstToken);
}
