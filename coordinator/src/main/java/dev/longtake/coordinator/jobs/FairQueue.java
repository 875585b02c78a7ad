package dev.longtake.coordinator.jobs;

import dev.longtake.v1.GenerationRequest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/**
 * Who is next. Jobs that lost their workers come first. Among the others the tenant has its turn that had the least work done so far;
 * one that comes back after a while begins where the least served one is, so that idle time earns nothing. Among the jobs of a tenant, one
 * of higher priority overtakes those that came up to {@link #OVERTAKES} before it, but no older ones: everybody's turn comes.
 *
 * <p>Fair queueing by virtual time, as in Demers, Keshav and Shenker, "Analysis and Simulation of a Fair Queueing Algorithm" (1989). Not
 * thread-safe: {@link JobStore} guards it.
 */
final class FairQueue {
  /** A step of priority is worth this much waiting. */
  static final Duration OVERTAKES = Duration.ofMinutes(10);

  private static final Comparator<JobEntry> TURN =
      Comparator.comparing((JobEntry entry) -> !entry.goesFirst())
          .thenComparingLong(FairQueue::virtualMillis)
          .thenComparing(JobEntry::id);

  private final Map<String, Tenant> tenants = new LinkedHashMap<>();
  private int size;

  private static final class Tenant {
    final TreeSet<JobEntry> waiting = new TreeSet<>(TURN);
    double served;
    int running;

    boolean isIdle() {
      return waiting.isEmpty() && running == 0;
    }
  }

  int size() {
    return size;
  }

  /** Puts a job in; the job's attempt must not change while it is in. */
  void add(JobEntry entry) {
    Tenant tenant = tenants.get(entry.tenant());
    if (tenant == null) {
      tenant = new Tenant();
      tenant.served = tenants.values().stream().mapToDouble(t -> t.served).min().orElse(0);
      tenants.put(entry.tenant(), tenant);
    }
    if (tenant.waiting.add(entry)) {
      size++;
    }
  }

  /**
   * Takes a job out; false when it was not in.
   */
  boolean remove(JobEntry entry) {
    Tenant tenant = tenants.get(entry.tenant());
    if (tenant == null || !tenant.waiting.remove(entry)) {
      return false;
    }
    size--;
    forgetIfIdle(entry.tenant(), tenant);
    return true;
  }

  /** The job is about to be taken out and run; unless its workers were lost, a segment is charged to its tenant. */
  void starting(JobEntry entry) {
    Tenant tenant = tenants.get(entry.tenant());
    if (tenant != null) {
      tenant.running++;
      if (!entry.goesFirst()) {
        tenant.served += work(entry);
      }
    }
  }

  /** The job does not run any more. */
  void stopped(JobEntry entry) {
    Tenant tenant = tenants.get(entry.tenant());
    if (tenant != null) {
      tenant.running--;
      forgetIfIdle(entry.tenant(), tenant);
    }
  }

  /** Jobs of a tenant that wait or run. */
  int jobsOf(String name) {
    Tenant tenant = tenants.get(name);
    return tenant == null ? 0 : tenant.waiting.size() + tenant.running;
  }

  private void forgetIfIdle(String name, Tenant tenant) {
    if (tenant.isIdle()) {
      tenants.remove(name);
    }
  }

  /**
   * Whether a running job, if it waited, would have its turn before all others that can be started; its next segment is charged to its
   * tenant then.
   */
  boolean keepsTurn(JobEntry entry) {
    Tenant tenant = tenants.get(entry.tenant());
    Optional<JobEntry> next =
        first(JobStore.FRONT).stream().filter(other -> !other.lacksWorkers()).findFirst();
    boolean keeps =
        tenant == null
            || next.isEmpty()
            || (!next.get().goesFirst()
                && (next.get().tenant().equals(entry.tenant())
                    ? virtualMillis(entry) <= virtualMillis(next.get())
                    // Where both had as much, whoever waits is next.
                    : tenant.served < servedOf(next.get())));
    if (keeps && tenant != null) {
      tenant.served += work(entry);
    }
    return keeps;
  }

  private double servedOf(JobEntry waiting) {
    Tenant tenant = tenants.get(waiting.tenant());
    return tenant == null ? 0 : tenant.served;
  }

  /** The next jobs in order of their turns, as far as that is known now. */
  List<JobEntry> first(int count) {
    List<JobEntry> order = new ArrayList<>();
    tenants.values().stream()
        .flatMap(tenant -> tenant.waiting.stream().takeWhile(JobEntry::goesFirst))
        .sorted(TURN)
        .limit(count)
        .forEach(order::add);
    List<Turns> turns = tenants.values().stream().map(tenant -> new Turns(tenant, count)).toList();
    while (order.size() < count) {
      Optional<Turns> turn =
          turns.stream()
              .filter(tenant -> tenant.jobs.hasNext())
              .min(
                  Comparator.<Turns>comparingDouble(tenant -> tenant.served)
                      .thenComparing(tenant -> tenant.gaveTurn));
      if (turn.isEmpty()) {
        break;
      }
      order.add(turn.get().next());
    }
    return order;
  }

  /** What would be served of a tenant if its turns came. */
  private static final class Turns {
    final Iterator<JobEntry> jobs;

    /** The job that is next has just had workers. */
    final boolean gaveTurn;

    double served;

    Turns(Tenant tenant, int count) {
      jobs = tenant.waiting.stream().dropWhile(JobEntry::goesFirst).limit(count).iterator();
      served = tenant.served;
      gaveTurn =
          tenant.waiting.stream()
              .dropWhile(JobEntry::goesFirst)
              .findFirst()
              .map(JobEntry::wasStarted)
              .orElse(false);
    }

    JobEntry next() {
      JobEntry next = jobs.next();
      served += work(next);
      return next;
    }
  }

  private static long virtualMillis(JobEntry entry) {
    int steps =
        switch (entry.priority()) {
          case PRIORITY_HIGH -> 1;
          case PRIORITY_LOW -> -1;
          case PRIORITY_NORMAL, PRIORITY_UNSPECIFIED, UNRECOGNIZED -> 0;
        };
    return entry.submittedMillis() - steps * OVERTAKES.toMillis();
  }

  /** What a segment costs, in proportion: its pixels times its steps. */
  private static double work(JobEntry entry) {
    GenerationRequest request = entry.request();
    return (double) request.getFrames()
        * request.getWidth()
        * request.getHeight()
        * request.getSteps();
  }
}
