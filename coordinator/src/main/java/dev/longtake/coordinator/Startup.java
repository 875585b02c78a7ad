package dev.longtake.coordinator;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Start-up as named, timed steps, each with its undoing; {@link #close} undoes them in reverse order, all of them, even
 * when one fails. Not thread-safe.
 */
final class Startup implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Startup.class);

  private final LongSupplier nanoTime;
  private final ArrayDeque<Step> done = new ArrayDeque<>();

  private record Step(String name, Runnable undo) {}

  Startup(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  /** Runs a step and remembers how to undo it; a step that throws is not undone. */
  <T> T step(String name, Supplier<T> make, Consumer<T> undo) {
    long startNanos = nanoTime.getAsLong();
    T made = make.get();
    done.push(new Step(name, () -> undo.accept(made)));
    log.debug("Started {} in {} ms", name, elapsedMillis(startNanos));
    return made;
  }

  @Override
  public void close() {
    while (!done.isEmpty()) {
      Step step = done.pop();
      long startNanos = nanoTime.getAsLong();
      try {
        step.undo().run();
        log.debug("Stopped {} in {} ms", step.name(), elapsedMillis(startNanos));
      } catch (RuntimeException e) {
        log.error("Stopping {} failed; the other steps are undone all the same", step.name(), e);
      }
    }
  }

  private long elapsedMillis(long startNanos) {
    return Duration.ofNanos(nanoTime.getAsLong() - startNanos).toMillis();
  }
}
