package dev.longtake.coordinator;

import dev.longtake.coordinator.api.LeaderGate;
import dev.longtake.coordinator.database.JobDatabase;
import dev.longtake.coordinator.database.Postgresql;
import dev.longtake.coordinator.leader.Leadership;
import dev.longtake.coordinator.leader.Lease;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The terms of a coordinator, one after the other, behind the gate of its port. Used by one thread at a time. */
final class Terms implements Leadership.Office {
  private final Term.Surroundings surroundings;
  private final Optional<Postgresql> shared;
  private final LeaderGate gate = new LeaderGate(() -> this.leaderAddress.get());
  private volatile Supplier<Optional<String>> leaderAddress = Optional::empty;
  private @Nullable Term term;

  /**
   * @param shared the database of several coordinators, where there is one
   */
  Terms(Term.Surroundings surroundings, Optional<Postgresql> shared) {
    this.surroundings = surroundings;
    this.shared = shared;
  }

  LeaderGate gate() {
    return gate;
  }

  /** Whom to name to clients while this coordinator does not lead. */
  void follow(Supplier<Optional<String>> address) {
    leaderAddress = address;
  }

  @Override
  public void take(Lease lease) {
    begin(shared.orElseThrow().jobs(lease.epoch(), lease::isHeld), lease::isHeld);
  }

  @Override
  public void leave(Lease lease) {
    if (!lease.isHeld()) {
      gate.close();
    }
    end();
  }

  void begin(JobDatabase database, BooleanSupplier isLeading) {
    Term begun = Term.begin(surroundings, database, isLeading);
    term = begun;
    gate.open(begun.services(), isLeading);
  }

  /** Open calls are told that the coordinator stops; new ones are refused when that is done. */
  void end() {
    if (term != null) {
      term.close();
      term = null;
    }
    gate.close();
  }
}
