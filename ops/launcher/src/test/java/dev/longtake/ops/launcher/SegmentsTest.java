package dev.longtake.ops.launcher;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.protobuf.ByteString;
import dev.longtake.client.JobEvents;
import dev.longtake.client.LongtakeClient;
import dev.longtake.ops.testing.DecodedVideo;
import dev.longtake.v1.BlockRange;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Handover;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.Plan;
import dev.longtake.v1.SubmitRequest;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Long videos of the demo model, made by real processes. */
class SegmentsTest {
  private static final ShapeTrack.Colour RED = (r, g, b) -> r > 140 && g < 110 && b < 110;
  private static final ShapeTrack.Colour BLACK = (r, g, b) -> r < 60 && g < 60 && b < 60;
  private static final String PROMPT = "a red circle moving right slowly on a black background";

  /** Of the model's clips, half of which overlap. */
  private static final int FRAMES = 16;

  private static final int STEPS = 12;

  /** For the end of a stream whose job has ended. */
  private static final long STREAM_SECONDS = 30;

  /** Of the tests that leave its workers alive. */
  private static TestCluster shared;

  @TempDir static Path sharedFolder;

  @TempDir Path folder;

  @BeforeAll
  static void start() {
    shared = TestCluster.start(sharedFolder, 2);
  }

  @AfterAll
  static void stop() {
    shared.close();
  }

  private static GenerationRequest request(int segments, Consumer<LongVideo.Builder> more) {
    LongVideo.Builder video = LongVideo.newBuilder().setSegments(segments);
    more.accept(video);
    return GenerationRequest.newBuilder()
        .setPrompt(PROMPT)
        .setSeed(1)
        .setSteps(STEPS)
        .setLongVideo(video)
        .build();
  }

  private static GenerationRequest request(int segments) {
    return request(segments, _ -> {});
  }

  /** What became of a job, and what was told of its segments. */
  private record Made(Job job, List<JobEvent.SegmentDone> segments) {
    List<String> latents() {
      return segments.stream().map(JobEvent.SegmentDone::getLatentsSha256).toList();
    }

    List<String> bytes() {
      return segments.stream().map(JobEvent.SegmentDone::getSha256).toList();
    }
  }

  private static Made watch(LongtakeClient client, String id, Consumer<JobEvent> listener) {
    List<JobEvent.SegmentDone> segments = new ArrayList<>();
    Job job =
        client.watch(
            id,
            event -> {
              listener.accept(event);
              if (event.hasSegmentDone()) {
                segments.add(event.getSegmentDone());
              }
            });
    return new Made(job, segments);
  }

  private static Made made(LongtakeClient client, SubmitRequest submit) {
    Made made = watch(client, client.submit(submit).getId(), _ -> {});
    assertThat(made.job.getState()).as("%s", made.job).isEqualTo(JobState.JOB_STATE_DONE);
    return made;
  }

  private static Made made(LongtakeClient client, GenerationRequest request) {
    return made(client, SubmitRequest.newBuilder().setRequest(request).build());
  }

  private DecodedVideo video(Made made) {
    return video(shared.client(), made);
  }

  private DecodedVideo video(LongtakeClient client, Made made) {
    return DecodedVideo.read(
        client.download(made.job.getId(), folder.resolve(made.job.getId() + ".mp4")));
  }

  @Test
  void shouldMakeTheSameSegmentsWhenWorkersAreKilledOnTheWay() throws Exception {
    try (TestCluster cluster = TestCluster.start(folder, 3)) {
      Made undisturbed = made(cluster.client(), request(4));
      String id = cluster.client().submit(request(4)).getId();
      Path streamed = folder.resolve("stream.mp4");
      CompletableFuture<Long> stream =
          CompletableFuture.supplyAsync(() -> stream(cluster.client(), id, streamed));
      List<String> gang = new ArrayList<>();
      List<String> requeued = new ArrayList<>();

      Made made =
          watch(
              cluster.client(),
              id,
              event -> {
                if (event.hasPlanned()) {
                  gang.clear();
                  gang.addAll(event.getPlanned().getWorkerIdsList());
                }
                JobEvent.StepDone step = event.getStepDone();
                if (step.getSegment() == 2 && step.getStep() == STEPS / 2 && requeued.isEmpty()) {
                  cluster.worker(gang.getLast()).handle().destroyForcibly();
                } else if (step.getSegment() == 3 && step.getStep() == 1 && requeued.size() == 1) {
                  cluster.worker(gang.getFirst()).handle().destroyForcibly();
                } else if (event.hasRequeued()) {
                  requeued.add(event.getRequeued().getReason());
                }
              });

      assertThat(made.job.getState()).as("%s", made.job).isEqualTo(JobState.JOB_STATE_DONE);
      assertThat(requeued).as("%s", made.job.getHistoryList()).hasSize(2);
      assertThat(cluster.memberIds()).containsAll(made.job.getWorkerIdsList()).hasSize(1);
      assertThat(made.latents()).isEqualTo(undisturbed.latents()).doesNotHaveDuplicates();
      assertThat(made.bytes()).isEqualTo(undisturbed.bytes());
      assertThat(made.job.getVideo()).isEqualTo(undisturbed.job.getVideo());
      assertThat(stream.get(STREAM_SECONDS, SECONDS)).isEqualTo(made.job.getStreamBytes());
      assertThat(DecodedVideo.read(streamed).frames())
          .hasSize(made.job.getVideo().getFrames())
          .hasSize(FRAMES + 3 * FRAMES / 2);
    }
  }

  private static long stream(LongtakeClient client, String id, Path file) {
    try (OutputStream out = Files.newOutputStream(file)) {
      return client.stream(id, out);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void shouldContinueOnAnotherClusterAsIfItHadNotStopped() throws Exception {
    LongtakeClient client = shared.client();
    Made whole = made(client, request(4));
    String stopped = client.submit(request(4)).getId();
    try (JobEvents events = client.events(stopped, 0)) {
      while (events.next().getStepDone().getSegment() < 3) {
        // Two segments are done when the third has a step.
      }
    }
    client.cancel(stopped);
    ByteString token = client.continuation(stopped).getToken();
    try (TestCluster other = TestCluster.start(folder, 1)) {
      Made rest = made(other.client(), SubmitRequest.newBuilder().setContinuation(token).build());

      assertThat(rest.latents()).isEqualTo(whole.latents().subList(2, 4));
      assertThat(rest.bytes()).isEqualTo(whole.bytes().subList(2, 4));
      assertThat(rest.job.getRequest().getPrompt()).isEqualTo(PROMPT);
      assertThat(video(other.client(), rest).frames()).hasSize(FRAMES);
    }
  }

  @Test
  void shouldGoOnSmoothlyWhateverIsHandedOver() {
    LongtakeClient client = shared.client();
    for (Handover handover : List.of(Handover.HANDOVER_LATENTS, Handover.HANDOVER_PIXELS)) {
      Made made =
          made(
              client,
              request(2, video -> video.setHandover(handover)).toBuilder().setSteps(30).build());

      assertMovesOn(ShapeTrack.of(video(made), RED, BLACK), FRAMES);
      assertThat(made.job.getRequest().getLongVideo().getHandover()).isEqualTo(handover);
    }
    Made edited = made(client, request(2, video -> video.setEditRatio(0.2)));
    Made kept = made(client, request(2));
    assertThat(edited.latents().getFirst()).isEqualTo(kept.latents().getFirst());
    assertThat(edited.latents().getLast()).isNotEqualTo(kept.latents().getLast());
  }

  /** From frame to frame, where segments meet like elsewhere. */
  private static void assertMovesOn(ShapeTrack track, int seam) {
    List<Double> places = track.positions().stream().map(ShapeTrack.Position::x).toList();
    List<Double> steps =
        IntStream.range(1, places.size()).mapToObj(i -> places.get(i) - places.get(i - 1)).toList();
    double usual = steps.stream().sorted().toList().get(steps.size() / 2);
    assertThat(usual).as("%s", places).isBetween(0.005, 0.04);
    assertThat(steps.get(seam - 1)).as("%s", places).isCloseTo(usual, within(0.02));
    assertThat(places.getLast() - places.getFirst())
        .as("%s", places)
        .isCloseTo(usual * steps.size(), within(0.15));
  }

  @Test
  void shouldBeginWithThePictureThatIsGiven() throws Exception {
    GenerationRequest clip = request(1).toBuilder().clearLongVideo().setSteps(30).build();
    DecodedVideo before = video(made(shared.client(), clip));
    ShapeTrack.Position given = ShapeTrack.of(before, RED, BLACK).positions().get(5);

    Made made =
        made(
            shared.client(),
            SubmitRequest.newBuilder()
                .setRequest(clip.toBuilder().setSeed(9))
                .setMedia(picture(before, 5))
                .build());

    ShapeTrack track = ShapeTrack.of(video(made), RED, BLACK);
    assertThat(track.positions()).hasSize(FRAMES);
    ShapeTrack.Position first = track.positions().getFirst();
    assertThat(first.x()).isCloseTo(given.x(), within(0.02));
    assertThat(first.y()).isCloseTo(given.y(), within(0.02));
    assertThat(first.shapeShare()).isCloseTo(given.shapeShare(), within(0.02));
    assertThat(made.job.getBeginning().getIsShown()).isTrue();
  }

  /** Twice as large, so that it has to be scaled. */
  private static ByteString picture(DecodedVideo video, int frame) throws IOException {
    BufferedImage image =
        new BufferedImage(2 * video.width(), 2 * video.height(), BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < image.getHeight(); y++) {
      for (int x = 0; x < image.getWidth(); x++) {
        int[] rgb = video.pixel(frame, x / 2, y / 2);
        image.setRGB(x, y, rgb[0] << 16 | rgb[1] << 8 | rgb[2]);
      }
    }
    ByteArrayOutputStream png = new ByteArrayOutputStream();
    ImageIO.write(image, "png", png);
    return ByteString.copyFrom(png.toByteArray());
  }

  /** In a pipeline, ranks of the first stage decode frames that they get from the last one. */
  @Test
  void shouldMakeTheSameSegmentsWithAnyPlan() throws Exception {
    Plan alone = Plan.newBuilder().setSequenceRanks(1).build();
    Plan ranks = Plan.newBuilder().setSequenceRanks(2).build();
    Plan stages =
        Plan.newBuilder()
            .setSequenceRanks(1)
            .addStages(BlockRange.newBuilder().setEnd(3))
            .addStages(BlockRange.newBuilder().setStart(3).setEnd(8))
            .build();
    Made expected = made(shared.client(), request(3).toBuilder().setPlan(alone).build());
    for (Plan plan : List.of(ranks, stages)) {
      Made made = made(shared.client(), request(3).toBuilder().setPlan(plan).build());

      assertThat(made.job.getWorkerIdsList()).hasSize(2);
      assertThat(made.job.getPlan().getStagesCount()).isEqualTo(plan.getStagesCount());
      assertThat(made.latents()).isEqualTo(expected.latents());
      assertThat(made.bytes()).isEqualTo(expected.bytes());
    }
  }
}
