package dev.longtake.coordinator.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.coordinator.jobs.JobEntry;
import dev.longtake.coordinator.jobs.JobStore;
import dev.longtake.coordinator.jobs.TestJobs;
import dev.longtake.v1.JobEvent;
import io.grpc.stub.ServerCallStreamObserver;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class EventStreamTest {
  @TempDir Path folder;
  private JobStore store;

  @BeforeEach
  void open() {
    store = TestJobs.store(folder, 8, InstantSource.system());
  }

  @AfterEach
  void close() {
    store.close();
  }

  private JobEntry submit() {
    return store.submit(TestJobs.job());
  }

  @Test
  void shouldHoldEventsBackWhenTheTransportTakesNoMore() {
    JobEntry first = submit();
    JobEntry job = submit();
    Transport transport = new Transport();
    transport.room = 1;
    EventStream.start(job, 0, transport, Runnable::run);
    assertThat(transport.sent).extracting(JobEvent::getSequence).containsExactly(1L);

    store.cancel(first.id());
    store.cancel(job.id());
    assertThat(transport.sent).as("no room").hasSize(1);
    assertThat(transport.completed).isFalse();

    transport.room = 1;
    transport.onReady.run();
    assertThat(transport.sent).extracting(JobEvent::getSequence).containsExactly(1L, 2L);
    transport.room = 5;
    transport.onReady.run();
    assertThat(transport.sent).extracting(JobEvent::getSequence).containsExactly(1L, 2L, 3L);
    assertThat(transport.sent.getLast().hasEnded()).isTrue();
    assertThat(transport.completed).isTrue();
  }

  @Test
  void shouldSendNothingMoreWhenTheWatcherHasGone() {
    JobEntry job = submit();
    Transport transport = new Transport();
    transport.room = 10;
    EventStream.start(job, 0, transport, Runnable::run);

    transport.onCancel.run();
    store.cancel(job.id());

    assertThat(transport.sent).hasSize(1);
  }

  /** gRPC's side of a call, with room for a number of messages. */
  private static final class Transport extends ServerCallStreamObserver<JobEvent> {
    private final List<JobEvent> sent = new ArrayList<>();
    private int room;
    private boolean completed;
    private Runnable onReady = () -> {};
    private Runnable onCancel = () -> {};

    @Override
    public boolean isReady() {
      return room > 0;
    }

    @Override
    public void onNext(JobEvent event) {
      room--;
      sent.add(event);
    }

    @Override
    public void onCompleted() {
      completed = true;
    }

    @Override
    public void onError(Throwable failure) {
      throw new AssertionError(failure);
    }

    @Override
    public void setOnReadyHandler(Runnable handler) {
      onReady = handler;
    }

    @Override
    public void setOnCancelHandler(Runnable handler) {
      onCancel = handler;
    }

    @Override
    public void setOnCloseHandler(Runnable handler) {}

    @Override
    public boolean isCancelled() {
      return false;
    }

    @Override
    public void setCompression(String compression) {}

    @Override
    public void disableAutoInboundFlowControl() {}

    @Override
    public void request(int count) {}

    @Override
    public void setMessageCompression(boolean enable) {}
  }
}
