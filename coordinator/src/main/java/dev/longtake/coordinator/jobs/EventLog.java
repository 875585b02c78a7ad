package dev.longtake.coordinator.jobs;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Timestamp;
import dev.longtake.coordinator.database.JobRow;
import dev.longtake.v1.JobEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A job's events in order of their sequences, and how far they are stored. Sequences have gaps where events were forgotten. Not thread-safe:
 * {@link JobEntry} guards it.
 */
final class EventLog {
  private final List<JobEvent> events = new ArrayList<>();

  /** Sequences of events that were forgotten, and may still be stored. */
  private final List<Long> forgotten = new ArrayList<>();

  private long lastSequence;
  private long storedSequence;

  /** Events that the database has. */
  static EventLog of(List<JobRow.Event> stored) throws InvalidProtocolBufferException {
    EventLog log = new EventLog();
    for (JobRow.Event event : stored) {
      log.events.add(JobEvent.parseFrom(event.bytes()));
    }
    log.lastSequence = log.events.isEmpty() ? 0 : log.events.getLast().getSequence();
    log.storedSequence = log.lastSequence;
    return log;
  }

  void append(JobEvent.Builder event, Timestamp time) {
    lastSequence++;
    events.add(event.setSequence(lastSequence).setTime(time).build());
  }

  int size() {
    return events.size();
  }

  boolean isStored() {
    return storedSequence == lastSequence;
  }

  /** The first event after {@code sequence} that is stored, and not forgotten. */
  Optional<JobEvent> storedAfter(long sequence) {
    int next = indexAfter(sequence);
    return next < events.size() && events.get(next).getSequence() <= storedSequence
        ? Optional.of(events.get(next))
        : Optional.empty();
  }

  /** Forgets those of steps and frames, and of places in the queue. */
  void forgetSteps() {
    events.removeIf(event -> {
      boolean isForgotten = event.hasStepDone() || event.hasFramesDecoded() || event.hasQueued();
      if (isForgotten) {
        forgotten.add(event.getSequence());
      }
      return isForgotten;
    });
  }

  /** What is to be stored, and deleted. */
  Unstored unstored() {
    List<JobRow.Event> added = new ArrayList<>();
    for (JobEvent event : events.subList(indexAfter(storedSequence), events.size())) {
      added.add(new JobRow.Event(event.getSequence(), event.toByteArray()));
    }
    return new Unstored(added, List.copyOf(forgotten), lastSequence);
  }

  /** What is not stored yet, to be reported to {@link #stored}. */
  record Unstored(List<JobRow.Event> added, List<Long> forgotten, long lastSequence) {}

  void stored(Unstored written) {
    storedSequence = written.lastSequence;
    forgotten.subList(0, written.forgotten.size()).clear();
  }

  private int indexAfter(long sequence) {
    int low = 0;
    int high = events.size();
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (events.get(middle).getSequence() <= sequence) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}
