package dev.longtake.worker.engine.sampler;

/**
 * Which timesteps are kept when there are fewer steps than timesteps. Kinds are named as in diffusers.
 *
 * @param offset added to each kept timestep
 */
public record Spacing(Kind kind, int offset) {
  /** Equally far apart from the first timestep to the last. */
  public static final Spacing EVENLY = new Spacing(Kind.EVENLY, 0);

  /** Where the kept timesteps are. */
  public enum Kind {
    /** From the first timestep to the last, equally far apart, rounded half to even: improved DDPM. */
    EVENLY,
    /** Every n-th from the first one on, n being timesteps / steps without its fraction: DDIM. */
    LEADING,
    /** Every n-th from the last one down, rounded half to even. */
    TRAILING
  }

  /**
   * The kept timesteps, ascending.
   *
   * @param steps at least 1, at most {@code timesteps}
   */
  public int[] kept(int timesteps, int steps) {
    int[] kept = new int[steps];
    double stride = steps == 1 ? 1 : (timesteps - 1) / (double) (steps - 1);
    // By repeated addition, as the reference does: its rounding decides between two integers.
    double next = 0;
    for (int i = 0; i < steps; i++) {
      int place =
          switch (kind) {
            case EVENLY -> (int) Math.rint(next);
            case LEADING -> i * (timesteps / steps);
            case TRAILING ->
                (int) Math.rint(timesteps - (steps - 1 - i) * (timesteps / (double) steps)) - 1;
          };
      kept[i] = place + offset;
      next += stride;
    }
    return kept;
  }
}
