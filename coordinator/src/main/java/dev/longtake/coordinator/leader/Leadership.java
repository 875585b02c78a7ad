package dev.longtake.coordinator.leader;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.database.LeaseTable;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A coordinator's part among several on one database: it waits for the lease, leads while it has it, and waits again. One thread takes and
 * renews the lease and does nothing else, so that nothing delays it; another one begins and ends the terms. Thread-safe.
 */
public final class Leadership implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Leadership.class);

  /** A lease is renewed so many times before it ends, unless that fails. */
  private static final int RENEWALS = 3;

  /** Of a lease, what its holder keeps back; see {@link Lease}. */
  private static final int MARGIN_DIVISOR = 6;

  /** Each part of a term ends in bounded time of its own; this only bounds a mistake of ours. */
  private static final Duration CLOSE_TIMEOUT = Duration.ofMinutes(2);

  /** What a coordinator does with a lease; called by one thread at a time. */
  public interface Office {
    /**
     * Begins to lead.
     *
     * @throws LongtakeException when it can't; the lease is given back then
     */
    void take(Lease lease);

    /** Stops leading; when the lease has ended, at once. Returns when nothing of the term is left. */
    void leave(Lease lease);
  }

  private final LeaseTable table;
  private final String holder;
  private final String address;
  private final Duration length;
  private final LongSupplier nanoTime;
  private final Office office;
  private final Thread keeper = Thread.ofPlatform().name("lease").daemon().unstarted(this::keep);
  private final Thread leader = Thread.ofPlatform().name("leader").daemon().unstarted(this::lead);

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private @Nullable Lease lease; // guarded by the lock; until its term is over
  private boolean isClosing; // guarded by the lock
  private boolean isOver; // guarded by the lock
  private boolean isFailing; // of the keeper's thread
  private @Nullable Lease begun; // of the first term, set before the threads that read it start
  private volatile @Nullable String leaderAddress;

  /**
   * @param table closed with this
   * @param holder unique for this start of the process
   * @param address where clients call this coordinator
   * @param length of a lease
   * @param nanoTime a monotonic clock
   */
  public Leadership(
      LeaseTable table,
      String holder,
      String address,
      Duration length,
      LongSupplier nanoTime,
      Office office) {
    this.table = table;
    this.holder = holder;
    this.address = address;
    this.length = length;
    this.nanoTime = nanoTime;
    this.office = office;
  }

  /**
   * Takes the lease and leads, or is a standby, when this returns.
   *
   * @throws LongtakeException from the office
   */
  public void start() {
    tryKeep();
    Lease taken = current();
    begun = taken;
    keeper.start();
    if (taken != null) {
      log.info("Leads in epoch {}", taken.epoch());
      try {
        office.take(taken);
      } catch (RuntimeException e) {
        release(taken);
        close();
        throw e;
      }
    } else {
      log.info("A standby of {}", leaderAddress().orElse("nobody who leads now"));
    }
    leader.start();
  }

  /** Of the coordinator that leads or led last, as far as this one knows. */
  public Optional<String> leaderAddress() {
    return Optional.ofNullable(leaderAddress);
  }

  private void keep() {
    try {
      while (awaitNextTry()) {
        tryKeep();
      }
    } catch (InterruptedException e) {
      log.warn("The lease is not renewed any more: the thread was interrupted");
    }
  }

  private boolean awaitNextTry() throws InterruptedException {
    long nanos = length.toNanos() / RENEWALS;
    lock.lockInterruptibly();
    try {
      while (!isOver && nanos > 0) {
        nanos = changed.awaitNanos(nanos);
      }
      return !isOver;
    } finally {
      lock.unlock();
    }
  }

  /** One try to take or to renew the lease. */
  private void tryKeep() {
    Lease current = current();
    try {
      if (current == null) {
        tryTake();
      } else if (current.isHeld()) {
        long startNanos = nanoTime.getAsLong();
        if (table.renew(current.epoch(), length)) {
          current.renewed(endNanos(startNanos));
        } else {
          current.lose();
          signal();
        }
      }
      if (isFailing) {
        log.info("The database of the lease answers again");
      }
      isFailing = false;
    } catch (SQLException e) {
      if (!isFailing) {
        log.warn("Cannot ask the database for the lease, trying on: {}", e.getMessage());
      }
      isFailing = true;
    }
  }

  private long endNanos(long startNanos) {
    return startNanos + length.toNanos() - length.toNanos() / MARGIN_DIVISOR;
  }

  private void tryTake() throws SQLException {
    Optional<LeaseTable.Holder> last = table.find();
    last.ifPresent(found -> leaderAddress = found.address());
    // Asked first, since a try to take it locks the row.
    if (last.isPresent() && !last.get().isExpired()) {
      return;
    }
    lock.lock();
    try {
      if (isClosing) {
        return;
      }
    } finally {
      lock.unlock();
    }
    long startNanos = nanoTime.getAsLong();
    OptionalLong epoch = table.take(holder, address, length);
    if (epoch.isPresent()) {
      leaderAddress = address;
      lock.lock();
      try {
        lease = new Lease(epoch.getAsLong(), endNanos(startNanos), nanoTime);
        changed.signalAll();
      } finally {
        lock.unlock();
      }
    }
  }

  private @Nullable Lease current() {
    lock.lock();
    try {
      return lease;
    } finally {
      lock.unlock();
    }
  }

  private void signal() {
    lock.lock();
    try {
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void lead() {
    try {
      Lease term = awaitTerm();
      while (term != null) {
        if (term == begun || begin(term)) {
          awaitEnd(term);
          end(term);
        }
        term = awaitTerm();
      }
    } catch (InterruptedException e) {
      log.warn("This coordinator does not lead any more: the thread was interrupted");
    } finally {
      over();
    }
  }

  /** Waits for a lease; null when none will come. */
  private @Nullable Lease awaitTerm() throws InterruptedException {
    lock.lockInterruptibly();
    try {
      while (lease == null && !isClosing) {
        changed.await();
      }
      return lease;
    } finally {
      lock.unlock();
    }
  }

  private boolean begin(Lease term) {
    log.info("Leads now, in epoch {}", term.epoch());
    try {
      office.take(term);
      return true;
    } catch (RuntimeException e) {
      log.error("Cannot lead, and gives the lease back: {}", e.getMessage(), e);
      release(term);
      return false;
    }
  }

  private void awaitEnd(Lease term) throws InterruptedException {
    lock.lockInterruptibly();
    try {
      long nanos = term.leftNanos();
      while (!isClosing && nanos > 0) {
        var _ = changed.awaitNanos(nanos);
        nanos = term.leftNanos();
      }
    } finally {
      lock.unlock();
    }
  }

  private void end(Lease term) {
    if (!term.isHeld()) {
      log.warn(
          "Does not lead any more: the lease of epoch {} ended before it was renewed. What was not"
              + " stored is left to the coordinator that leads next; this one becomes a standby",
          term.epoch());
    }
    try {
      office.leave(term);
    } catch (RuntimeException e) {
      log.error("Ending the term of epoch {} failed by our mistake", term.epoch(), e);
    }
    release(term);
  }

  /** Nobody acts on it any more. */
  private void release(Lease term) {
    try {
      if (term.isHeld()) {
        term.lose();
        table.release(term.epoch());
      }
    } catch (SQLException e) {
      log.info("The lease runs out by itself, since it can't be given back: {}", e.getMessage());
    }
    lock.lock();
    try {
      lease = null;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void over() {
    lock.lock();
    try {
      isOver = true;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Ends a term in order, so that a standby leads at once; in the bounded time that its office takes. */
  @Override
  public void close() {
    lock.lock();
    try {
      isClosing = true;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
    try {
      if (leader.isAlive() && !leader.join(CLOSE_TIMEOUT)) {
        log.error(
            "The term did not end within {} s; its lease runs out by itself",
            CLOSE_TIMEOUT.toSeconds());
      }
      over();
      keeper.join(TimeUnit.SECONDS.toMillis(length.toSeconds() + 1));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    table.close();
  }
}
