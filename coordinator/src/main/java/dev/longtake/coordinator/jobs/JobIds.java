package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import java.time.InstantSource;
import java.util.random.RandomGenerator;

/**
 * Ids that are short, sort in the order in which they were made and don't collide: the milliseconds since 1970 in nine characters and 25
 * bits, random or counted on, in five, in lower-case base 32 without the letters that look like digits (i, l, o, u). Not thread-safe.
 */
public final class JobIds {
  private static final String DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";
  private static final int BITS = 5;

  /** 45 bits of milliseconds last until the year 3084. */
  private static final int TIME_CHARS = 9;

  private static final int RANDOM_CHARS = 5;
  private static final long LOW_MASK = (1L << (RANDOM_CHARS * BITS)) - 1;

  private final InstantSource clock;
  private final RandomGenerator random;

  private long lastMillis;
  private long lastLow;

  JobIds(InstantSource clock, RandomGenerator random) {
    this.clock = clock;
    this.random = random;
  }

  String next() {
    long millis = clock.millis();
    if (millis > lastMillis) {
      lastMillis = millis;
      // Half of the range is left for counting on.
      lastLow = (random.nextLong() & LOW_MASK) >>> 1;
    } else if (++lastLow > LOW_MASK) {
      lastMillis++;
      lastLow = 0;
    }
    StringBuilder id = new StringBuilder(TIME_CHARS + RANDOM_CHARS);
    append(id, lastMillis, TIME_CHARS);
    append(id, lastLow, RANDOM_CHARS);
    return id.toString();
  }

  /** What is said of an id that is no job's, or none of the caller's. */
  public static LongtakeException unknown(String id) {
    return new LongtakeException(
        ErrorCode.NO_SUCH_JOB,
        "Expected the id of a job, but %s is none or was forgotten; list the jobs"
            .formatted(Quoted.of(id)));
  }

  private static void append(StringBuilder id, long value, int chars) {
    for (int i = chars - 1; i >= 0; i--) {
      id.append(DIGITS.charAt((int) (value >>> (i * BITS)) & (DIGITS.length() - 1)));
    }
  }
}
