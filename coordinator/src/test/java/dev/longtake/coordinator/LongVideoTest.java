package dev.longtake.coordinator;

import static dev.longtake.coordinator.TestCluster.failure;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.protobuf.ByteString;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.coordinator.video.TestFrames;
import dev.longtake.ops.testing.DecodedVideo;
import dev.longtake.v1.CancelJobRequest;
import dev.longtake.v1.ContinuationRequest;
import dev.longtake.v1.ContinuationToken;
import dev.longtake.v1.DownloadRequest;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.GetJobRequest;
import dev.longtake.v1.Handover;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.PreviewsRequest;
import dev.longtake.v1.Sampler;
import dev.longtake.v1.SegmentPrompt;
import dev.longtake.v1.StreamRequest;
import dev.longtake.v1.SubmitRequest;
import dev.longtake.v1.VideoChunk;
import dev.longtake.v1.VideoPreview;
import dev.longtake.v1.WorkOrder;
import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Videos made segment by segment, continued, and received while they are made. A fake worker's frames count on from those that it was
 * given, so the whole video must count 0, 1, 2, ...
 */
final class LongVideoTest {
  private static final int FRAMES = 6;
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

  private static GenerationRequest.Builder request(int segments, Consumer<LongVideo.Builder> more) {
    LongVideo.Builder video = LongVideo.newBuilder().setSegments(segments).setOverlap(2);
    more.accept(video);
    return GenerationRequest.newBuilder()
        .setPrompt("a red circle")
        .setSeed(40)
        .setFrames(FRAMES)
        .setLongVideo(video);
  }

  private static GenerationRequest.Builder request(int segments) {
    return request(segments, _ -> {});
  }

  private ByteString stream(String jobId, long offset) {
    ByteString bytes = ByteString.EMPTY;
    Iterator<VideoChunk> chunks =
        cluster.generation().stream(
            StreamRequest.newBuilder().setJobId(jobId).setOffset(offset).build());
    while (chunks.hasNext()) {
      VideoChunk chunk = chunks.next();
      assertThat(chunk.getOffset()).isEqualTo(offset + bytes.size());
      bytes = bytes.concat(chunk.getData());
    }
    return bytes;
  }

  private DecodedVideo decoded(ByteString bytes) {
    try {
      Path file = Files.createTempFile(folder, "video", ".mp4");
      Files.write(file, bytes.toByteArray());
      return DecodedVideo.read(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private DecodedVideo download(String jobId) {
    ByteString bytes = ByteString.EMPTY;
    Iterator<VideoChunk> chunks =
        cluster.generation().download(DownloadRequest.newBuilder().setJobId(jobId).build());
    while (chunks.hasNext()) {
      bytes = bytes.concat(chunks.next().getData());
    }
    return decoded(bytes);
  }

  private static void assertCounts(DecodedVideo video, int first, int frames) {
    assertThat(video.frames()).hasSize(frames);
    for (int frame = 0; frame < frames; frame++) {
      for (int c = 0; c < 3; c++) {
        assertThat(video.pixel(frame, 30, 20)[c])
            .as("frame %d", frame)
            .isCloseTo(TestFrames.colour(first + frame)[c], within(4));
      }
    }
  }

  private static List<JobEvent.SegmentDone> segments(List<JobEvent> events) {
    return events.stream().filter(JobEvent::hasSegmentDone).map(JobEvent::getSegmentDone).toList();
  }

  private static List<WorkOrder> orders(FakeWorker worker) {
    List<WorkOrder> orders = new ArrayList<>();
    worker.orders.drainTo(orders);
    return orders;
  }

  /** Lets a held segment end, after its first step. */
  private static void finish(TestCluster cluster, FakeWorker worker, String id, int segment) {
    cluster.awaitEvent(id, event -> event.getStepDone().getSegment() == segment);
    worker.finish(id);
  }

  private static Job done(Job job) {
    assertThat(job.getState()).as(job.getError().getMessage()).isEqualTo(JobState.JOB_STATE_DONE);
    return job;
  }

  @Test
  void shouldMakeOneVideoOfSegmentsThatGoOnFromEachOther() throws Exception {
    FakeWorker first = cluster.joined("w0");
    cluster.joined("w1");

    List<JobEvent> events = cluster.watch(cluster.submit(request(4)).getId());
    Job job = done(events.getLast().getEnded());

    int frames = FRAMES + 3 * (FRAMES - 2);
    assertThat(job.getVideo().getFrames()).isEqualTo(frames);
    assertThat(job.getFramesDone()).isEqualTo(frames);
    assertThat(job.getSegmentsDone()).isEqualTo(4);
    assertCounts(download(job.getId()), 0, frames);
    List<WorkOrder> orders = orders(first);
    assertThat(orders).extracting(WorkOrder::getAttempt).containsExactly(1L, 2L, 3L, 4L);
    assertThat(orders)
        .extracting(o -> o.getSampling().getSeed())
        .containsExactly(40L, 41L, 42L, 43L);
    assertThat(orders).extracting(o -> o.getSampling().getDecodeFrom()).containsExactly(0, 2, 2, 2);
    assertThat(orders.getFirst().getSampling().hasGivenFrames()).isFalse();
    assertThat(job.getHistoryList()).as("segments are no changes of the state").hasSize(3);
  }

  @Test
  void shouldStreamSegmentsWhichAreTheVideo() throws Exception {
    cluster.joined("w0");
    String id = cluster.submit(request(3)).getId();

    ByteString streamed = stream(id, 0);

    List<JobEvent.SegmentDone> segments = segments(cluster.watch(id));
    assertThat(segments).extracting(JobEvent.SegmentDone::getSegment).containsExactly(1, 2, 3);
    assertThat(segments).extracting(JobEvent.SegmentDone::getFrames).containsExactly(6L, 10L, 14L);
    assertThat(segments.getLast().getStreamBytes()).isEqualTo(streamed.size());
    assertThat(stream(id, 1000)).isEqualTo(streamed.substring(1000));
    assertThat(stream(id, streamed.size())).isEmpty();
    assertCounts(decoded(streamed), 0, 14);
    // What has come up to the end of any segment plays.
    assertCounts(decoded(streamed.substring(0, (int) segments.get(1).getStreamBytes())), 0, 10);
    assertThat(failure(() -> stream(id, streamed.size() + 1)).field()).hasValue("offset");
    assertThat(failure(() -> stream(id, -1)).field()).hasValue("offset");
  }

  @Test
  void shouldShowPreviewsWhenAskedFor() throws Exception {
    FakeWorker worker = cluster.joined("w0");
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    String id = cluster.submit(request(2).setPreviewEvery(1)).getId();
    Iterator<VideoPreview> previews =
        cluster.generation().previews(PreviewsRequest.newBuilder().setJobId(id).build());

    VideoPreview first = previews.next();
    assertThat(first.getSegment()).isEqualTo(1);
    assertThat(first.getStep()).isEqualTo(1);
    assertThat(first.getSteps()).isEqualTo(4);
    BufferedImage picture = ImageIO.read(new ByteArrayInputStream(first.getPng().toByteArray()));
    assertThat(List.of(picture.getWidth(), picture.getHeight())).containsExactly(256, 16);
    Color colour = new Color(picture.getRGB(100, 8));
    assertThat(new int[] {colour.getRed(), colour.getGreen(), colour.getBlue()})
        .isEqualTo(TestFrames.colour(1));

    finish(cluster, worker, id, 1);
    assertThat(previews.next().getSegment()).isEqualTo(2);
    finish(cluster, worker, id, 2);
    assertThat(previews.hasNext()).isFalse();
    assertThat(
            cluster
                .generation()
                .previews(PreviewsRequest.newBuilder().setJobId(id).build())
                .next()
                .getSegment())
        .as("the newest stays")
        .isEqualTo(2);
    assertRefused("preview_every", request(1).setPreviewEvery(-1));
  }

  @Test
  void shouldDeliverASegmentBeforeTheNextOneIsMade() throws Exception {
    FakeWorker worker = cluster.joined("w0");
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    String id = cluster.submit(request(2)).getId();
    Iterator<VideoChunk> chunks =
        cluster.generation().stream(StreamRequest.newBuilder().setJobId(id).build());

    finish(cluster, worker, id, 1);

    // The second segment is held, so this is the first one.
    assertCounts(decoded(chunks.next().getData()), 0, FRAMES);
    finish(cluster, worker, id, 2);
    done(cluster.end(id));
    assertThat(chunks.hasNext()).isTrue();
  }

  @Test
  void shouldForgetStepsOfSegmentsThatAreDone() throws Exception {
    cluster.joined("w0");
    String id = cluster.submit(request(5)).getId();
    cluster.end(id);

    List<JobEvent> events = cluster.watch(id);

    assertThat(segments(events)).hasSize(5);
    assertThat(events.stream().filter(JobEvent::hasStepDone))
        .allMatch(event -> event.getStepDone().getSegment() == 5)
        .hasSize(4);
    assertThat(events).extracting(JobEvent::getSequence).isSorted().doesNotHaveDuplicates();
    cluster.close();
    cluster = new TestCluster(folder.resolve("data"));
    assertThat(cluster.watch(id)).as("as stored").isEqualTo(events);
  }

  @Test
  void shouldGoOnAfterTheLastSegmentThatWasKept() throws Exception {
    FakeWorker worker = cluster.joined("w0");
    Job undisturbed = done(cluster.end(cluster.submit(request(4)).getId()));
    orders(worker);
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    String id = cluster.submit(request(4)).getId();
    finish(cluster, worker, id, 1);
    worker.orders.poll(WAIT_SECONDS, TimeUnit.SECONDS);
    WorkOrder second = worker.orders.poll(WAIT_SECONDS, TimeUnit.SECONDS);
    assertThat(second).isNotNull();
    cluster.awaitEvent(id, event -> event.getStepDone().getSegment() == 2);
    cluster.close();

    cluster = new TestCluster(folder.resolve("data"));
    FakeWorker other = cluster.joined("w1");
    List<JobEvent> events = cluster.watch(id);

    Job job = done(events.getLast().getEnded());
    List<WorkOrder> orders = orders(other);
    assertThat(orders).extracting(o -> o.getSampling().getSeed()).containsExactly(41L, 42L, 43L);
    assertThat(orders.getFirst().getSampling().getResume().getStepsDone()).isEqualTo(1);
    assertThat(orders.getFirst().getAttempt()).isGreaterThan(second.getAttempt());
    assertThat(job.getVideo()).isEqualTo(undisturbed.getVideo());
    assertThat(segments(events)).isEqualTo(segments(cluster.watch(undisturbed.getId())));
  }

  @Test
  void shouldContinueWithTheSameBytesWhenStopped() throws Exception {
    cluster.joined("w0");
    GenerationRequest.Builder request =
        request(
            5,
            video ->
                video
                    .addPrompts(SegmentPrompt.newBuilder().setFromSegment(2).setPrompt("a box"))
                    .addPrompts(SegmentPrompt.newBuilder().setFromSegment(4).setPrompt("a star")));
    String whole = cluster.submit(request).getId();
    List<JobEvent.SegmentDone> undisturbed = segments(cluster.watch(whole));
    FakeWorker worker = cluster.worker("w1", FakeWorker.card());
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    TestCluster elsewhere = new TestCluster(folder.resolve("elsewhere"));
    ContinuationToken token;
    try (elsewhere) {
      worker.join(elsewhere.coordinator.address());
      String stopped = elsewhere.submit(request).getId();
      finish(elsewhere, worker, stopped, 1);
      finish(elsewhere, worker, stopped, 2);
      elsewhere.awaitEvent(stopped, event -> event.getStepDone().getSegment() == 3);
      elsewhere.generation().cancel(CancelJobRequest.newBuilder().setJobId(stopped).build());
      token =
          elsewhere
              .generation()
              .continuation(ContinuationRequest.newBuilder().setJobId(stopped).build());
    }
    assertThat(token.getSegments()).isEqualTo(2);
    assertThat(token.getFrames()).isEqualTo(10);

    Job continued =
        cluster
            .generation()
            .submit(SubmitRequest.newBuilder().setContinuation(token.getToken()).build());
    List<JobEvent> events = cluster.watch(continued.getId());

    assertThat(continued.getRequest().getPrompt()).isEqualTo("a box");
    assertThat(continued.getRequest().getLongVideo().getPromptsList())
        .containsExactly(SegmentPrompt.newBuilder().setFromSegment(2).setPrompt("a star").build());
    done(events.getLast().getEnded());
    assertThat(segments(events))
        .extracting(JobEvent.SegmentDone::getSha256)
        .isEqualTo(
            undisturbed.subList(2, 5).stream().map(JobEvent.SegmentDone::getSha256).toList());
    assertThat(segments(events))
        .extracting(JobEvent.SegmentDone::getLatentsSha256)
        .isEqualTo(
            undisturbed.subList(2, 5).stream()
                .map(JobEvent.SegmentDone::getLatentsSha256)
                .toList());
    assertCounts(download(continued.getId()), 10, 12);
  }

  @Test
  void shouldContinueAClipWithAnotherPrompt() throws Exception {
    FakeWorker worker = cluster.joined("w0");
    Job clip = cluster.submit(GenerationRequest.newBuilder().setPrompt("a red circle").setSeed(7));
    done(cluster.end(clip.getId()));
    ContinuationToken token =
        cluster
            .generation()
            .continuation(ContinuationRequest.newBuilder().setJobId(clip.getId()).build());
    orders(worker);

    Job continued =
        cluster
            .generation()
            .submit(
                SubmitRequest.newBuilder()
                    .setContinuation(token.getToken())
                    .setRequest(GenerationRequest.newBuilder().setPrompt("a blue box"))
                    .build());
    done(cluster.end(continued.getId()));

    assertThat(continued.getRequest().getPrompt()).isEqualTo("a blue box");
    assertThat(worker.encodings).contains("a blue box");
    assertThat(orders(worker)).extracting(o -> o.getSampling().getSeed()).containsExactly(8L);
    // Half of a clip's six frames overlap.
    assertCounts(download(continued.getId()), 6, 3);
  }

  @Test
  void shouldHandOverPixelsWhenAsked() throws Exception {
    FakeWorker worker = cluster.joined("w0");

    Job job =
        done(
            cluster.end(
                cluster.submit(request(3, v -> v.setHandover(Handover.HANDOVER_PIXELS))).getId()));

    assertCounts(download(job.getId()), 0, 14);
    assertThat(worker.encodedFrames)
        .as("the last two frames of each segment, modulo the number of colours")
        .containsExactly(4, 5, 2, 3, 0, 1);
  }

  @Test
  void shouldBeginWithAPicture() throws Exception {
    FakeWorker worker = cluster.joined("w0");
    Job job =
        cluster
            .generation()
            .submit(
                SubmitRequest.newBuilder()
                    .setRequest(request(2))
                    .setMedia(ByteString.copyFrom(TestFrames.png(200, 100, 2)))
                    .build());
    done(cluster.end(job.getId()));

    assertThat(worker.encodedFrames).containsExactly(2);
    assertThat(job.getBeginning().getGivenFrames()).isEqualTo(1);
    assertCounts(download(job.getId()), 2, 10);
  }

  @Test
  void shouldGoOnAfterAVideoThatIsGiven() throws Exception {
    FakeWorker worker = cluster.joined("w0");
    String first = cluster.submit(request(1).clearLongVideo()).getId();
    done(cluster.end(first));
    ByteString mp4 = ByteString.EMPTY;
    Iterator<VideoChunk> chunks =
        cluster.generation().download(DownloadRequest.newBuilder().setJobId(first).build());
    while (chunks.hasNext()) {
      mp4 = mp4.concat(chunks.next().getData());
    }

    Job job =
        cluster
            .generation()
            .submit(SubmitRequest.newBuilder().setRequest(request(1)).setMedia(mp4).build());
    done(cluster.end(job.getId()));

    assertThat(worker.encodedFrames).containsExactly(4, 5);
    assertCounts(download(job.getId()), 6, 4);
  }

  @Test
  void shouldFailWhenFramesThatWereGivenAreNotKept() throws Exception {
    FakeWorker worker = cluster.joined("w0");
    worker.behaviour = FakeWorker.Behaviour.JUMP;

    Job job = cluster.end(cluster.submit(request(2)).getId());

    assertThat(job.getState()).isEqualTo(JobState.JOB_STATE_FAILED);
    assertThat(job.getError().getMessage()).contains("segment 2 to keep the 2 frames");
    assertThat(job.getSegmentsDone()).isEqualTo(1);
  }

  @Test
  void shouldRefuseWhatCantBeASegment() throws Exception {
    cluster.joined("w0");
    SegmentPrompt late = SegmentPrompt.newBuilder().setFromSegment(3).setPrompt("late").build();
    SegmentPrompt empty = SegmentPrompt.newBuilder().setFromSegment(2).build();

    assertRefused("long_video.segments", request(0));
    assertRefused("long_video.segments", request(100_001));
    assertRefused("long_video.overlap", request(2, v -> v.setOverlap(0)));
    assertRefused("long_video.overlap", request(2, v -> v.setOverlap(FRAMES)));
    assertRefused(
        "long_video.overlap",
        request(2, v -> v.setOverlap(4).setHandover(Handover.HANDOVER_PIXELS)));
    assertRefused("long_video.edit_ratio", request(2, v -> v.setEditRatio(1)));
    assertRefused("long_video.edit_ratio", request(2, v -> v.setEditRatio(Double.NaN)));
    assertRefused("long_video.edit_ratio", request(2, v -> v.setEditRatio(-0.1)));
    assertRefused("long_video.handover", request(2, v -> v.setHandoverValue(9)));
    assertRefused("long_video.prompts.from_segment", request(2, v -> v.addPrompts(late)));
    assertRefused(
        "long_video.prompts.from_segment", request(4, v -> v.addPrompts(late).addPrompts(late)));
    assertRefused("long_video.prompts.prompt", request(2, v -> v.addPrompts(empty)));
    assertRefused("frames", request(2).setFrames(1));
  }

  private void assertRefused(String field, GenerationRequest.Builder request) {
    var failure = failure(() -> cluster.submit(request));
    assertThat(failure.field()).as(failure.message()).hasValue(field);
    assertThat(failure.reason()).isEqualTo(ErrorCode.INVALID_REQUEST);
  }

  @Test
  void shouldRefuseWhatAVideoCantBeginWith() throws Exception {
    cluster.joined("w0");
    String id = cluster.submit(request(1)).getId();
    cluster.end(id);
    ByteString token =
        cluster
            .generation()
            .continuation(ContinuationRequest.newBuilder().setJobId(id).build())
            .getToken();
    byte[] changed = token.toByteArray();
    changed[changed.length - 1] ^= 1;
    byte[] newer = token.toByteArray();
    newer[7]++;

    assertBeginningRefused("media", b -> b.setMedia(ByteString.copyFromUtf8("no picture")));
    assertBeginningRefused("media", b -> b.setMedia(ByteString.EMPTY));
    assertBeginningRefused(
        "media",
        b -> b.setMedia(ByteString.copyFromUtf8("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n")));
    assertBeginningRefused("continuation", b -> b.setContinuation(ByteString.copyFrom(changed)));
    assertBeginningRefused("continuation", b -> b.setContinuation(ByteString.copyFrom(newer)));
    assertBeginningRefused("continuation", b -> b.setContinuation(token.substring(0, 30)));
    assertBeginningRefused("continuation", b -> b.setContinuation(ByteString.EMPTY));
    assertBeginningRefused(
        "frames", b -> b.setContinuation(token).setRequest(request(1).setFrames(8)));
    assertBeginningRefused(
        "long_video.overlap",
        b -> b.setContinuation(token).setRequest(request(1, v -> v.setOverlap(3))));
    assertThat(cluster.status().getQueuedJobs()).isZero();
  }

  private void assertBeginningRefused(String field, Consumer<SubmitRequest.Builder> beginning) {
    SubmitRequest.Builder submit = SubmitRequest.newBuilder().setRequest(request(1));
    beginning.accept(submit);
    var failure = failure(() -> cluster.generation().submit(submit.build()));
    assertThat(failure.field()).as(failure.message()).hasValue(field);
  }

  @Test
  void shouldRefuseSegmentsForASamplerThatCantKeepFrames() throws Exception {
    ModelCard card = FakeWorker.card().toBuilder().setSampler(Sampler.SAMPLER_DDIM).build();
    cluster.joined(cluster.worker("w0", card));

    assertRefused("long_video", request(2));
    assertBeginningRefused("long_video", b -> b.setMedia(ByteString.EMPTY));
  }

  @Test
  void shouldHaveNoTokenBeforeASegmentIsDone() throws Exception {
    FakeWorker worker = cluster.joined("w0");
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    String id = cluster.submit(request(2)).getId();

    assertThat(
            failure(() ->
                    cluster
                        .generation()
                        .continuation(ContinuationRequest.newBuilder().setJobId(id).build()))
                .reason())
        .isEqualTo(ErrorCode.WRONG_STATE);
    cluster.generation().cancel(CancelJobRequest.newBuilder().setJobId(id).build());
    assertThat(stream(id, 0)).isEmpty();
  }

  @Test
  void shouldLetAnotherTenantHaveATurnBetweenSegments() throws Exception {
    FakeWorker worker = cluster.joined("w0");
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    String longJob = cluster.submit(request(3)).getId();
    cluster.awaitEvent(longJob, JobEvent::hasStepDone);
    worker.orders.clear();
    Job other =
        cluster
            .generation()
            .submit(
                SubmitRequest.newBuilder()
                    .setTenant("other")
                    .setRequest(GenerationRequest.newBuilder().setPrompt("a box"))
                    .build());

    worker.finish(longJob);

    assertThat(worker.orders.poll(WAIT_SECONDS, TimeUnit.SECONDS).getJobId())
        .isEqualTo(other.getId());
    worker.behaviour = FakeWorker.Behaviour.FINISH;
    finish(cluster, worker, other.getId(), 1);
    Job job = done(cluster.end(longJob));
    assertCounts(download(longJob), 0, 14);
    assertThat(job.getHistoryList().get(2).getReason()).contains("segment 1 of 3", "others' turn");
    assertThat(
            cluster
                .generation()
                .get(GetJobRequest.newBuilder().setJobId(other.getId()).build())
                .getState())
        .isEqualTo(JobState.JOB_STATE_DONE);
  }
}
