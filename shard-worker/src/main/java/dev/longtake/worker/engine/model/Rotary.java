package dev.longtake.worker.engine.model;

import dev.longtake.worker.device.Pairing;
import java.util.List;

/** Rotary positions of the patches' q and k (arXiv 2104.09864); text tokens are not turned. */
public sealed interface Rotary {
  Pairing pairing();

  /**
   * By the frame.
   *
   * @param frequencies name of the stored frequencies [D / 2]
   */
  record Frames(String frequencies) implements Rotary {
    @Override
    public Pairing pairing() {
      return Pairing.ADJACENT;
    }
  }

  /**
   * By frame, row and column, each turning a share of the head's channels, with frequencies {@code theta^(-2k / width)}.
   *
   * @param widths channels of the head per axis, even; together the head dimension
   * @param exactAngles angles in double precision, or in single as the reference with {@link Pairing#HALVES} has them
   */
  record Axes(List<Integer> widths, double theta, Pairing pairing, boolean exactAngles)
      implements Rotary {
    public Axes {
      widths = List.copyOf(widths);
    }
  }
}
