package dev.longtake.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;
import static org.assertj.core.api.Assertions.within;

import com.google.protobuf.ByteString;
import com.google.protobuf.util.Durations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.coordinator.TestCluster.Failure;
import dev.longtake.coordinator.video.TestFrames;
import dev.longtake.ops.testing.DecodedVideo;
import dev.longtake.v1.CancelJobRequest;
import dev.longtake.v1.DownloadRequest;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.GetJobRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.JobTransition;
import dev.longtake.v1.ListJobsRequest;
import dev.longtake.v1.Precision;
import dev.longtake.v1.RankTime;
import dev.longtake.v1.SamplerState;
import dev.longtake.v1.StageTime;
import dev.longtake.v1.VideoChunk;
import dev.longtake.v1.WatchRequest;
import dev.longtake.v1.WireFormat;
import dev.longtake.v1.WorkOrder;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.LongStream;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class GenerationTest {
  private static final long WAIT_SECONDS = 30;

  @TempDir Path folder;
  private TestCluster cluster;

  @BeforeEach
  void start() {
    cluster = new TestCluster(folder.resolve("data"));
  }

  @AfterEach
  void stop() {
    cluster.close();
  }

  private ByteString download(String jobId, long offset) {
    ByteString bytes = ByteString.EMPTY;
    var chunks =
        cluster
            .generation()
            .download(DownloadRequest.newBuilder().setJobId(jobId).setOffset(offset).build());
    while (chunks.hasNext()) {
      VideoChunk chunk = chunks.next();
      assertThat(chunk.getOffset()).isEqualTo(offset + bytes.size());
      bytes = bytes.concat(chunk.getData());
    }
    return bytes;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5})
  void shouldDeliverTheVideoWhenAJobIsSubmitted(int workers) throws Exception {
    for (int i = 0; i < workers; i++) {
      cluster.joined("w" + i);
    }

    Job submitted =
        cluster.submit(GenerationRequest.newBuilder().setPrompt("a red circle").setUpscale(2));
    Job done = cluster.end(submitted.getId());

    assertThat(done.getState()).as(done.getError().getMessage()).isEqualTo(JobState.JOB_STATE_DONE);
    assertThat(done.getPlan().getSequenceRanks()).isEqualTo(workers);
    assertThat(done.getStepsDone()).isEqualTo(4);
    ByteString bytes = download(done.getId(), 0);
    assertThat(done.getVideo().getSizeBytes()).isEqualTo(bytes.size());
    Path file = folder.resolve("download.mp4");
    Files.write(file, bytes.toByteArray());
    DecodedVideo video = DecodedVideo.read(file);
    assertThat(video.width()).isEqualTo(done.getVideo().getWidth()).isEqualTo(128);
    assertThat(video.height()).isEqualTo(done.getVideo().getHeight()).isEqualTo(96);
    assertThat(video.fps()).isEqualTo(done.getVideo().getFps()).isEqualTo(8);
    assertThat(video.frames()).hasSize(done.getVideo().getFrames()).hasSize(6);
    for (int frame = 0; frame < 6; frame++) {
      for (int c = 0; c < 3; c++) {
        assertThat(video.pixel(frame, 64, 48)[c])
            .as("frame %d", frame)
            .isCloseTo(TestFrames.colour(frame)[c], within(4));
      }
    }
  }

  @Test
  void shouldTellTheWholeStoryWhenWatched() throws Exception {
    cluster.joined("w1");
    cluster.joined("w0");

    List<JobEvent> events = cluster.watch(cluster.submit().getId());

    assertThat(events)
        .extracting(JobEvent::getSequence)
        .containsExactlyElementsOf(LongStream.rangeClosed(1, events.size()).boxed().toList());
    assertThat(events.getFirst().getQueued().getPosition()).isZero();
    assertThat(events.get(1).getPlanned().getWorkerIdsList()).containsExactly("w0", "w1");
    assertThat(events.get(1).getPlanned().getPlan().getReason())
        .isEqualTo("scripted for 2 workers");
    assertThat(events.stream().filter(JobEvent::hasStepDone).map(e -> e.getStepDone().getStep()))
        .containsExactly(1, 2, 3, 4);
    assertThat(
            events.stream()
                .filter(JobEvent::hasFramesDecoded)
                .map(e -> e.getFramesDecoded().getDecoded())
                .max(Integer::compare))
        .hasValue(6);
    Job done = events.getLast().getEnded();
    assertThat(done)
        .isEqualTo(
            cluster.generation().get(GetJobRequest.newBuilder().setJobId(done.getId()).build()));
    assertThat(done.getStageTimesList())
        .extracting(StageTime::getStage)
        .containsExactly(
            "text encoder",
            "waiting for workers",
            "loading weights",
            "preparing texts",
            "sampling: compute",
            "sampling: exchange",
            "sampling: idle",
            "decoding",
            "writing the MP4");
    // Rank 1 loads and computes longer, and waits less; all times are its own.
    assertThat(done.getStageTimes(2).getDuration()).isEqualTo(Durations.fromMillis(11));
    assertThat(done.getStageTimes(4).getDuration()).isEqualTo(Durations.fromMillis(21));
    assertThat(done.getStageTimes(5).getDuration()).isEqualTo(Durations.fromMillis(29));
    assertThat(done.getStageTimes(6).getDuration()).isEqualTo(Durations.fromMillis(6));
    assertThat(done.getRankTimesList())
        .extracting(RankTime::getWorkerId, RankTime::getSentBytes)
        .containsExactly(tuple("w0", 700L), tuple("w1", 701L));
    assertThat(done.getRankTimes(1))
        .isEqualTo(
            RankTime.newBuilder()
                .setWorkerId("w1")
                .setCompute(Durations.fromMillis(21))
                .setExchangeExposed(Durations.fromMillis(29))
                .setExchangeHidden(Durations.fromMillis(5))
                .setIdle(Durations.fromMillis(6))
                .setSampling(Durations.fromMillis(56))
                .setSentBytes(701)
                .setPeakDeviceBytes(9000)
                .setPeakExchangeBytes(800)
                .build());
  }

  @Test
  void shouldSendOnlyNewEventsWhenAWatcherComesBack() throws Exception {
    cluster.joined("w0");
    String id = cluster.submit().getId();
    List<JobEvent> all = cluster.watch(id);

    List<JobEvent> rest = new ArrayList<>();
    cluster
        .generation()
        .watch(WatchRequest.newBuilder().setJobId(id).setAfterSequence(3).build())
        .forEachRemaining(rest::add);
    List<JobEvent> none = new ArrayList<>();
    cluster
        .generation()
        .watch(WatchRequest.newBuilder().setJobId(id).setAfterSequence(all.size()).build())
        .forEachRemaining(none::add);

    assertThat(rest).isEqualTo(all.subList(3, all.size()));
    assertThat(none).isEmpty();
  }

  @Test
  void shouldOrderWhatWasAskedForWhenEverythingIsGiven() throws Exception {
    FakeWorker worker = cluster.joined("w0");
    GenerationRequest.Builder request =
        GenerationRequest.newBuilder()
            .setPrompt("two green squares")
            .setWidth(32)
            .setHeight(80)
            .setFrames(1)
            .setSteps(7)
            .setGuidance(-1.5)
            .setSeed(-1L)
            .setUpscale(1)
            .setPrecision(Precision.PRECISION_BF16)
            .setWireFormat(WireFormat.WIRE_FORMAT_STORED);

    Job job = cluster.submit(request);

    assertThat(job.getRequest()).isEqualTo(request.build());
    WorkOrder order = worker.orders.poll(WAIT_SECONDS, TimeUnit.SECONDS);
    assertThat(order).isNotNull();
    assertThat(order.getGangList()).containsExactly(worker.description().getAddress());
    assertThat(order.getAttempt()).isEqualTo(1);
    assertThat(order.getModelFingerprint()).isEqualTo(FakeWorker.card().getFingerprint());
    assertThat(order.getPrecision()).isEqualTo(Precision.PRECISION_BF16);
    assertThat(order.getExchangeTimeout()).isEqualTo(Durations.fromSeconds(30));
    var task = order.getSampling();
    assertThat(task.getGeometry().getLatentHeight()).isEqualTo(10);
    assertThat(task.getGeometry().getLatentWidth()).isEqualTo(4);
    assertThat(task.getGeometry().getLatentFrames()).isEqualTo(1);
    assertThat(task.getGeometry().getFps()).as("of an image").isEqualTo(120);
    assertThat(task.getRectifiedFlow().getSteps()).isEqualTo(7);
    assertThat(task.getRectifiedFlow().getTimesteps()).isEqualTo(1000);
    assertThat(task.getGuidance().getStrength()).isEqualTo(-1.5);
    assertThat(task.getSeed()).isEqualTo(-1L);
    assertThat(task.getDecode()).isTrue();
    assertThat(task.getPrompts(0).getEmbedding().getShapeList()).containsExactly(3L, 2L);
    assertThat(cluster.end(job.getId()).getState()).isEqualTo(JobState.JOB_STATE_DONE);
  }

  @Test
  void shouldFillInEveryDefaultWhenOnlyThePromptIsGiven() throws Exception {
    cluster.joined("w0");

    GenerationRequest request = cluster.submit().getRequest();

    assertThat(request.getWidth()).isEqualTo(64);
    assertThat(request.getHeight()).isEqualTo(48);
    assertThat(request.getFrames()).isEqualTo(6);
    assertThat(request.getSteps()).isEqualTo(4);
    assertThat(request.getGuidance()).isEqualTo(3);
    assertThat(request.getUpscale()).isEqualTo(1);
    assertThat(request.getPrecision()).isEqualTo(Precision.PRECISION_F32);
    assertThat(request.hasSeed()).isTrue();
    assertThat(cluster.submit().getRequest().getSeed()).isNotEqualTo(request.getSeed());
  }

  @Test
  void shouldRefuseWhenNoWorkerHasJoined() {
    Failure failure = TestCluster.failure(cluster::submit);

    assertThat(failure.reason()).isEqualTo(ErrorCode.NO_WORKERS);
    assertThat(failure.status()).isEqualTo(Status.Code.UNAVAILABLE);
  }

  @Test
  void shouldRefuseInSubmitWhenThePromptIsTooLong() throws Exception {
    cluster.joined("w0");

    Failure failure =
        TestCluster.failure(
            () -> cluster.submit(GenerationRequest.newBuilder().setPrompt("a b c d e f g h i")));

    assertThat(failure.status()).isEqualTo(Status.Code.INVALID_ARGUMENT);
    assertThat(failure.field()).hasValue("prompt");
    assertThat(failure.message()).contains("1 to 8 tokens, but it has 9");
    assertThat(cluster.generation().list(ListJobsRequest.getDefaultInstance()).getJobsList())
        .isEmpty();
  }

  @Test
  void shouldCancelTheWorkersWhenARunningJobIsCanceled() throws Exception {
    FakeWorker w0 = cluster.joined("w0");
    FakeWorker w1 = cluster.joined("w1");
    w0.behaviour = FakeWorker.Behaviour.HOLD;
    w1.behaviour = FakeWorker.Behaviour.HOLD;
    String id = cluster.submit().getId();
    cluster.awaitEvent(id, JobEvent::hasStepDone);
    w1.orders.poll(WAIT_SECONDS, TimeUnit.SECONDS);

    Job canceled = cluster.generation().cancel(CancelJobRequest.newBuilder().setJobId(id).build());

    assertThat(canceled.getState()).isEqualTo(JobState.JOB_STATE_CANCELED);
    assertThat(w0.cancelled.poll(WAIT_SECONDS, TimeUnit.SECONDS)).isEqualTo(id);
    assertThat(w1.cancelled.poll(WAIT_SECONDS, TimeUnit.SECONDS)).isEqualTo(id);
    w0.behaviour = FakeWorker.Behaviour.FINISH;
    w1.behaviour = FakeWorker.Behaviour.FINISH;
    assertThat(cluster.end(cluster.submit().getId()).getState()).isEqualTo(JobState.JOB_STATE_DONE);
    assertThat(cluster.generation().cancel(CancelJobRequest.newBuilder().setJobId(id).build()))
        .as("a terminal job stays as it is")
        .isEqualTo(canceled);
  }

  @Test
  void shouldNeverCallAWorkerWhenAQueuedJobIsCanceled() throws Exception {
    FakeWorker worker = cluster.joined("w0");
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    String running = cluster.submit().getId();
    cluster.awaitEvent(running, JobEvent::hasStepDone);
    String waiting = cluster.submit().getId();
    String behind = cluster.submit().getId();
    assertThat(
            cluster
                .cluster()
                .status(dev.longtake.v1.StatusRequest.getDefaultInstance())
                .getQueuedJobs())
        .isEqualTo(2);

    cluster.generation().cancel(CancelJobRequest.newBuilder().setJobId(waiting).build());
    worker.behaviour = FakeWorker.Behaviour.FINISH;
    cluster.generation().cancel(CancelJobRequest.newBuilder().setJobId(running).build());

    List<JobEvent> events = cluster.watch(behind);
    assertThat(events.stream().filter(JobEvent::hasQueued).map(e -> e.getQueued().getPosition()))
        .startsWith(1, 0);
    assertThat(events.getLast().getEnded().getState()).isEqualTo(JobState.JOB_STATE_DONE);
    assertThat(worker.orders).extracting(WorkOrder::getJobId).containsExactly(running, behind);
  }

  @Test
  void shouldGoOnWithWhoIsLeftWhenAWorkerDiesDuringAJob() throws Exception {
    FakeWorker w0 = cluster.joined("w0");
    FakeWorker w1 = cluster.joined("w1");
    w0.behaviour = FakeWorker.Behaviour.HOLD;
    w1.behaviour = FakeWorker.Behaviour.HOLD;
    String id = cluster.submit().getId();
    cluster.awaitEvent(id, JobEvent::hasStepDone);
    WorkOrder first = w1.orders.poll(WAIT_SECONDS, TimeUnit.SECONDS);
    assertThat(first).isNotNull();
    w0.behaviour = FakeWorker.Behaviour.FINISH;

    w1.kill();
    List<JobEvent> events = cluster.watch(id);

    Job done = events.getLast().getEnded();
    assertThat(done.getState()).as(done.getError().getMessage()).isEqualTo(JobState.JOB_STATE_DONE);
    assertThat(done.getAttempt()).isEqualTo(2);
    assertThat(done.getWorkerIdsList()).containsExactly("w0");
    JobEvent.Requeued lost =
        events.stream().filter(JobEvent::hasRequeued).findFirst().orElseThrow().getRequeued();
    assertThat(lost.getReason())
        .contains("worker w1 at " + w1.description().getAddress())
        .doesNotContain("\n");
    assertThat(lost.getStepsDone()).isEqualTo(1);
    assertThat(done.getHistoryList())
        .extracting(JobTransition::getState)
        .containsExactly(
            JobState.JOB_STATE_QUEUED,
            JobState.JOB_STATE_RUNNING,
            JobState.JOB_STATE_QUEUED,
            JobState.JOB_STATE_RUNNING,
            JobState.JOB_STATE_DONE);
    assertThat(w0.cancelled.poll(WAIT_SECONDS, TimeUnit.SECONDS)).isEqualTo(id);
    WorkOrder second = w0.orders.stream().toList().get(1);
    assertThat(second.getAttempt()).isEqualTo(2);
    SamplerState state = second.getSampling().getResume();
    assertThat(state.getStepsDone()).isEqualTo(1);
    assertThat(state.getLatents().getShapeList()).containsExactly(1L, 4L, 6L, 6L, 8L);
    assertThat(state.getLatents().getData().toByteArray()).containsOnly(1);
    assertThat(second.getSampling().getSeed()).isEqualTo(first.getSampling().getSeed());
    assertThat(second.getSampling().getPrompts(0)).isEqualTo(first.getSampling().getPrompts(0));
  }

  @Test
  void shouldFailWhenEveryAttemptIsInVain() throws Exception {
    FakeWorker worker = cluster.joined("w0");
    worker.behaviour = FakeWorker.Behaviour.LOSE_PEER;

    Job failed = cluster.end(cluster.submit().getId());

    assertThat(failed.getState()).isEqualTo(JobState.JOB_STATE_FAILED);
    assertThat(failed.getError().getReason()).isEqualTo("PEER_LOST");
    assertThat(failed.getAttempt()).isEqualTo(10);
    worker.behaviour = FakeWorker.Behaviour.FINISH;
    assertThat(cluster.end(cluster.submit().getId()).getState()).isEqualTo(JobState.JOB_STATE_DONE);
  }

  @Test
  void shouldNameTheCauseWhenItsEchoIsHeardFirst() throws Exception {
    FakeWorker w0 = cluster.joined("w0");
    FakeWorker w1 = cluster.joined("w1");
    w0.behaviour = FakeWorker.Behaviour.LOSE_PEER;
    w1.behaviour = FakeWorker.Behaviour.HOLD;
    String id = cluster.submit().getId();
    assertThat(w0.orders.poll(WAIT_SECONDS, TimeUnit.SECONDS)).isNotNull();
    assertThat(w1.orders.poll(WAIT_SECONDS, TimeUnit.SECONDS)).isNotNull();

    w1.kill();

    assertThat(cluster.end(id).getHistory(2).getReason()).contains("worker w1");
  }

  @Test
  void shouldAskAgainWhenAWorkerIsStillBusy() throws Exception {
    cluster.joined("w0").behaviour = FakeWorker.Behaviour.BUSY_ONCE;

    Job job = cluster.end(cluster.submit().getId());

    assertThat(job.getState()).as(job.getError().getMessage()).isEqualTo(JobState.JOB_STATE_DONE);
  }

  @Test
  void shouldFailTheJobWhenAWorkerBreaksTheContract() throws Exception {
    FakeWorker worker = cluster.joined("w0");
    worker.behaviour = FakeWorker.Behaviour.FORGET_REPORT;
    assertThat(cluster.end(cluster.submit().getId()).getError().getMessage())
        .contains("worker w0", "report");

    worker.behaviour = FakeWorker.Behaviour.WRONG_FRAMES;
    assertThat(cluster.end(cluster.submit().getId()).getError().getMessage())
        .contains("worker w0", "frames of 64 x 48, but got 80 x 48");

    worker.behaviour = FakeWorker.Behaviour.FINISH;
    assertThat(cluster.end(cluster.submit().getId()).getState()).isEqualTo(JobState.JOB_STATE_DONE);
    try (var files = Files.list(folder.resolve("data/spool"))) {
      assertThat(files).as("frames of ended jobs").isEmpty();
    }
  }

  @Test
  void shouldResumeTheDownloadWhenAnOffsetIsGiven() throws Exception {
    cluster.joined("w0");
    String id = cluster.end(cluster.submit().getId()).getId();
    ByteString all = download(id, 0);

    assertThat(download(id, 100)).isEqualTo(all.substring(100));
    assertThat(download(id, all.size())).isEmpty();
    for (long offset : new long[] {-1, all.size() + 1L}) {
      Failure failure = TestCluster.failure(() -> download(id, offset));
      assertThat(failure.field()).hasValue("offset");
      assertThat(failure.message()).contains("0 to " + all.size());
    }
  }

  @Test
  void shouldRefuseTheDownloadWhenTheJobIsNotDone() throws Exception {
    cluster.joined("w0").behaviour = FakeWorker.Behaviour.HOLD;
    String id = cluster.submit().getId();
    cluster.awaitEvent(id, JobEvent::hasStepDone);

    Failure failure = TestCluster.failure(() -> download(id, 0));

    assertThat(failure.reason()).isEqualTo(ErrorCode.WRONG_STATE);
    assertThat(failure.message()).contains(id + " is running");
  }

  @Test
  void shouldRefuseWhenThereIsNoSuchJob() {
    for (Failure failure :
        List.of(
            TestCluster.failure(() -> cluster.watch("nope")),
            TestCluster.failure(() -> download("nope", 0)),
            TestCluster.failure(() ->
                cluster.generation().get(GetJobRequest.newBuilder().setJobId("nope").build())),
            TestCluster.failure(() ->
                cluster
                    .generation()
                    .cancel(CancelJobRequest.newBuilder().setJobId("nope").build())))) {
      assertThat(failure.status()).isEqualTo(Status.Code.NOT_FOUND);
      assertThat(failure.reason()).isEqualTo(ErrorCode.NO_SUCH_JOB);
      assertThat(failure.message()).contains("\"nope\"");
    }
  }

  @Test
  void shouldListTheNewestFirstWhenAsked() throws Exception {
    cluster.joined("w0");
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      ids.add(cluster.end(cluster.submit().getId()).getId());
    }

    assertThat(
            cluster
                .generation()
                .list(ListJobsRequest.newBuilder().setLimit(2).build())
                .getJobsList())
        .extracting(Job::getId)
        .containsExactly(ids.get(2), ids.get(1));
    for (int limit : new int[] {-1, 1001}) {
      assertThat(
              TestCluster.failure(() ->
                      cluster
                          .generation()
                          .list(ListJobsRequest.newBuilder().setLimit(limit).build()))
                  .field())
          .hasValue("limit");
    }
  }

  @Test
  void shouldEndTheJobWhenOneWatcherDoesNotRead() throws Exception {
    cluster.joined("w0");
    AtomicReference<ClientCallStreamObserver<WatchRequest>> call = new AtomicReference<>();
    BlockingQueue<JobEvent> received = new LinkedBlockingQueue<>();
    CompletableFuture<Void> ended = new CompletableFuture<>();
    String id =
        cluster.submit(GenerationRequest.newBuilder().setPrompt("slow").setSteps(1000)).getId();
    GenerationGrpc.newStub(cluster.channel())
        .watch(
            WatchRequest.newBuilder().setJobId(id).build(),
            new ClientResponseObserver<WatchRequest, JobEvent>() {
              @Override
              public void beforeStart(ClientCallStreamObserver<WatchRequest> requests) {
                call.set(requests);
                requests.disableAutoRequestWithInitial(1);
              }

              @Override
              public void onNext(JobEvent event) {
                received.add(event);
              }

              @Override
              public void onError(Throwable failure) {
                ended.completeExceptionally(failure);
              }

              @Override
              public void onCompleted() {
                ended.complete(null);
              }
            });
    assertThat(received.poll(WAIT_SECONDS, TimeUnit.SECONDS)).isNotNull();

    List<JobEvent> fast = cluster.watch(id);

    assertThat(fast.getLast().getEnded().getState()).isEqualTo(JobState.JOB_STATE_DONE);
    assertThat(fast.stream().filter(JobEvent::hasStepDone)).hasSize(1000);
    assertThat(received).isEmpty();
    call.get().request(Integer.MAX_VALUE);
    ended.get(WAIT_SECONDS, TimeUnit.SECONDS);
    assertThat(received).containsExactlyElementsOf(fast.subList(1, fast.size()));
  }

  @Test
  void shouldRefuseWithNumbersWhenTheQueueIsFull() throws Exception {
    try (TestCluster small = new TestCluster(folder.resolve("small"), 2)) {
      small.joined("w0").behaviour = FakeWorker.Behaviour.HOLD;
      String running = small.submit().getId();
      small.awaitEvent(running, JobEvent::hasStepDone);
      small.submit();
      small.submit();

      Failure failure = TestCluster.failure(small::submit);

      assertThat(failure.status()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
      assertThat(failure.reason()).isEqualTo(ErrorCode.QUEUE_FULL);
      assertThat(failure.message()).contains("2 of 2 jobs wait");
    }
  }

  @Test
  void shouldGoOnWhenTheCoordinatorIsStartedAgain() throws Exception {
    FakeWorker worker = cluster.joined("w0");
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    String id = cluster.submit().getId();
    String waiting = cluster.submit().getId();
    cluster.awaitEvent(id, JobEvent::hasStepDone);
    CompletableFuture<Throwable> watch =
        CompletableFuture.supplyAsync(() -> Assertions.catchThrowable(() -> cluster.end(id)));

    cluster.coordinator.close();

    assertThat(Failure.of(watch.get(WAIT_SECONDS, TimeUnit.SECONDS)).message())
        .contains("shutting down", "call again");
    assertThat(worker.cancelled.poll(WAIT_SECONDS, TimeUnit.SECONDS)).isEqualTo(id);
    assertThat(Failure.of(worker.joinEnded.get(WAIT_SECONDS, TimeUnit.SECONDS)).status())
        .isEqualTo(Status.Code.UNAVAILABLE);
    try (TestCluster again = new TestCluster(folder.resolve("data"))) {
      again.joined("w1");
      List<JobEvent> events = again.watch(id);
      Job done = events.getLast().getEnded();
      assertThat(done.getState())
          .as(done.getError().getMessage())
          .isEqualTo(JobState.JOB_STATE_DONE);
      assertThat(events)
          .extracting(JobEvent::getSequence)
          .isEqualTo(LongStream.rangeClosed(1, events.size()).boxed().toList());
      assertThat(again.end(waiting).getState()).isEqualTo(JobState.JOB_STATE_DONE);
    }
  }
}
