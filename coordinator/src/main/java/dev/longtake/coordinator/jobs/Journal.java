package dev.longtake.coordinator.jobs;

import dev.longtake.coordinator.database.FencedException;
import dev.longtake.coordinator.database.JobDatabase;
import dev.longtake.coordinator.database.JobRow;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes changed jobs to the database, by one thread: all changes since the last transaction go into the next, so a slow disk makes
 * transactions larger, not the wait longer. While the database fails, changes stay in memory, as one per job, and are tried again; the
 * jobs go on, but nobody is told of what is not stored. It ends for good when its coordinator does not lead any more.
 *
 * <p>Thread-safe. Owns neither the database nor the entries.
 */
final class Journal implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Journal.class);

  /** Between two tries while the database fails. */
  private static final Duration PAUSE = Duration.ofMillis(500);

  /** For what is left to be written at the end. */
  private static final Duration STOP_TIMEOUT = Duration.ofSeconds(10);

  private final JobDatabase database;
  private final Consumer<JobEntry> onStored;
  private final JobMeters meters;
  private final Thread thread = Thread.ofPlatform().name("journal").daemon().unstarted(this::write);

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition wake = lock.newCondition();
  private final Set<JobEntry> changed = new LinkedHashSet<>();
  private final Set<String> forgotten = new LinkedHashSet<>();
  private boolean closing;
  private volatile boolean failing;

  /**
   * @param onStored told after each transaction, of each job that it stored, by the journal's thread
   * @param meters of the process
   */
  Journal(JobDatabase database, Consumer<JobEntry> onStored, JobMeters meters) {
    this.meters = meters;
    this.database = database;
    this.onStored = onStored;
  }

  void start() {
    thread.start();
  }

  /** The job is to be stored as it will be then. */
  void changed(JobEntry entry) {
    lock.lock();
    try {
      changed.add(entry);
      wake.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** The jobs are to be deleted. */
  void forget(List<JobEntry> entries) {
    lock.lock();
    try {
      entries.forEach(entry -> {
        changed.remove(entry);
        forgotten.add(entry.id());
      });
      wake.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Whether the last transaction failed. */
  boolean isFailing() {
    return failing;
  }

  private void write() {
    try {
      while (true) {
        List<JobEntry> batch = new ArrayList<>();
        List<String> deleted = new ArrayList<>();
        if (!take(batch, deleted)) {
          return;
        }
        if (!tryWrite(batch, deleted)) {
          putBack(batch, deleted);
        }
      }
    } catch (FencedException e) {
      failing = true;
      log.error("Nothing is stored any more: {}", e.getMessage());
    } catch (InterruptedException e) {
      log.warn("The journal was interrupted; what is not stored is lost");
    }
  }

  /** Waits for work; false when there is none and none will come. */
  private boolean take(List<JobEntry> batch, List<String> deleted) throws InterruptedException {
    lock.lockInterruptibly();
    try {
      while (changed.isEmpty() && forgotten.isEmpty()) {
        if (closing) {
          return false;
        }
        wake.await();
      }
      batch.addAll(changed);
      deleted.addAll(forgotten);
      changed.clear();
      forgotten.clear();
      return true;
    } finally {
      lock.unlock();
    }
  }

  private boolean tryWrite(List<JobEntry> batch, List<String> deleted) throws FencedException {
    Map<JobEntry, JobEntry.Unstored> unstored = new LinkedHashMap<>();
    batch.forEach(entry -> entry.unstored().ifPresent(change -> unstored.put(entry, change)));
    long startNanos = System.nanoTime();
    try {
      if (!unstored.isEmpty()) {
        List<JobRow> rows = unstored.values().stream().map(JobEntry.Unstored::row).toList();
        database.write(rows);
      }
      if (!deleted.isEmpty()) {
        database.delete(deleted);
      }
    } catch (FencedException e) {
      throw e;
    } catch (SQLException e) {
      meters.transactionFailed();
      if (!failing) {
        log.error("Jobs can't be stored, trying on: {}", e.getMessage());
      }
      failing = true;
      return false;
    }
    meters.transactionDone(System.nanoTime() - startNanos);
    if (failing) {
      log.info("Jobs are stored again");
      failing = false;
    }
    unstored.forEach((entry, change) -> {
      entry.stored(change);
      meters.stored(change.row().transitions());
      try {
        onStored.accept(entry);
      } catch (RuntimeException e) {
        log.error("Job {}: what follows its being stored failed by our mistake", entry.id(), e);
      }
      entry.announceStored();
    });
    return true;
  }

  private void putBack(List<JobEntry> batch, List<String> deleted) throws InterruptedException {
    lock.lockInterruptibly();
    try {
      changed.addAll(batch);
      forgotten.addAll(deleted);
      long nanos = PAUSE.toNanos();
      // New changes are no reason to try sooner.
      while (nanos > 0) {
        nanos = wake.awaitNanos(nanos);
      }
    } finally {
      lock.unlock();
    }
  }

  /** Writes what is left, in bounded time. */
  @Override
  public void close() {
    lock.lock();
    try {
      closing = true;
      wake.signalAll();
    } finally {
      lock.unlock();
    }
    try {
      if (!thread.join(STOP_TIMEOUT)) {
        log.error("Jobs could not be stored within {} s", TimeUnit.SECONDS.convert(STOP_TIMEOUT));
        thread.interrupt();
      }
    } catch (InterruptedException e) {
      thread.interrupt();
      Thread.currentThread().interrupt();
    }
  }
}
