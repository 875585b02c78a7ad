package dev.longtake.coordinator.database;

import java.util.List;

/**
 * A job as it is to be stored, or was.
 *
 * @param state for example {@code "RUNNING"}
 * @param submittedAtMillis since 1970
 * @param attempt that a write of an older one must not replace
 * @param record all of the job, serialised
 * @param events in order; when written, those that were not written before
 * @param forgottenEvents sequences of those that are to be deleted, should they be there; when read, none
 * @param transitions the same, of the job's state
 */
public record JobRow(
    String id,
    String state,
    String tenant,
    long submittedAtMillis,
    long attempt,
    byte[] record,
    List<Event> events,
    List<Long> forgottenEvents,
    List<Transition> transitions) {
  /** Characters of a transition's reason, as the table has them. */
  public static final int MAX_REASON = 4000;

  public JobRow {
    events = List.copyOf(events);
    forgottenEvents = List.copyOf(forgottenEvents);
    transitions = List.copyOf(transitions);
  }

  /** An event of the job, serialised; {@code sequence} from 1. */
  public record Event(long sequence, byte[] bytes) {}

  /** A change of the job's state; {@code number} from 1. */
  public record Transition(
      long number, long happenedAtMillis, String state, long attempt, String reason) {}
}
