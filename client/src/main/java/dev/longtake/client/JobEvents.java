package dev.longtake.client;

import dev.longtake.v1.JobEvent;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/**
 * The events of one job in order; {@link #hasNext()} waits for the next. For one thread at a time, except {@link
 * #close()}, which may come from any and makes a waiting {@link #hasNext()} fail with CANCELED.
 */
public final class JobEvents implements Iterator<JobEvent>, AutoCloseable {
  private final LongtakeClient client;
  private final String jobId;
  private final Reconnection reconnection;
  private final Context.CancellableContext context = Context.current().withCancellation();
  private @Nullable Iterator<JobEvent> stream;
  private @Nullable JobEvent next;
  private long lastSequence;
  private boolean isEnded;

  JobEvents(LongtakeClient client, String jobId, long afterSequence, Duration timeout) {
    this.client = client;
    this.jobId = jobId;
    this.lastSequence = afterSequence;
    this.reconnection = new Reconnection(client, timeout);
  }

  /**
   * Whether another event comes; waits until that is known.
   *
   * @throws LongtakeClientException when the call fails and taking it up again does not help
   */
  @Override
  public boolean hasNext() {
    while (next == null && !isEnded) {
      fetch();
    }
    return next != null;
  }

  private void fetch() {
    try {
      Iterator<JobEvent> events = stream;
      if (events == null) {
        events = client.openEvents(context, jobId, lastSequence, reconnection);
        stream = events;
      }
      if (!events.hasNext()) {
        isEnded = true;
        return;
      }
      JobEvent event = events.next();
      reconnection.succeeded();
      lastSequence = event.getSequence();
      next = event;
    } catch (StatusRuntimeException e) {
      stream = null;
      reconnection.pauseOrThrow(e);
    }
  }

  @Override
  public JobEvent next() {
    JobEvent event = hasNext() ? next : null;
    if (event == null) {
      throw new NoSuchElementException("Job %s has ended".formatted(jobId));
    }
    next = null;
    isEnded |= event.hasEnded();
    return event;
  }

  /** Stops watching; the job goes on. */
  @Override
  public void close() {
    context.cancel(null);
  }
}
