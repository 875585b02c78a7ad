package dev.longtake.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import dev.longtake.limits.RequestLimits;
import dev.longtake.v1.ContinuationToken;
import dev.longtake.v1.FirstBlock;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Handover;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Precision;
import dev.longtake.v1.Priority;
import dev.longtake.v1.SegmentPrompt;
import dev.longtake.v1.StepCache;
import dev.longtake.v1.SubmitRequest;
import dev.longtake.v1.WireFormat;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VideoRequestTest {
  private static final StepCache MODE =
      StepCache.newBuilder().setFirstBlock(FirstBlock.newBuilder().setThreshold(0.1)).build();

  @TempDir Path folder;

  private ScriptedServer server;
  private LongtakeClient client;

  @BeforeEach
  void start() throws IOException {
    server = new ScriptedServer();
    client = LongtakeClient.builder().address(server.address()).build();
  }

  @AfterEach
  void stop() {
    client.close();
    server.close();
  }

  private void assertRefused(VideoRequest.Builder request, String field, String message) {
    assertThatThrownBy(() -> client.submit(request.build()))
        .isInstanceOfSatisfying(
            LongtakeClientException.class,
            e -> {
              assertThat(e.reason()).isEqualTo(LongtakeClientException.INVALID_REQUEST);
              assertThat(e.field()).contains(field);
            })
        .hasMessage(message);
    assertThat(server.submitted).isEmpty();
  }

  @Test
  void shouldSayAllThatTheMessageCanSay() {
    VideoRequest request =
        VideoRequest.of("a cat")
            .size(64, 32)
            .frames(48)
            .steps(12)
            .guidance(3.5)
            .seed(-1)
            .upscale(2)
            .precision(Precision.PRECISION_BF16)
            .wireFormat(WireFormat.WIRE_FORMAT_BF16)
            .stepCache(MODE)
            .plan(Plan.newBuilder().setSequenceRanks(2).build())
            .previewEvery(4)
            .segments(3)
            .overlap(16)
            .editRatio(0.25)
            .handover(Handover.HANDOVER_PIXELS)
            .promptFrom(2, "a dog")
            .beginsWith(new byte[] {1, 2})
            .tenant("acme")
            .priority(Priority.PRIORITY_HIGH)
            .deadline(Duration.ofMillis(90_500))
            .idempotencyKey("k")
            .build();
    assertThat(request.message())
        .isEqualTo(
            SubmitRequest.newBuilder()
                .setRequest(
                    GenerationRequest.newBuilder()
                        .setPrompt("a cat")
                        .setWidth(64)
                        .setHeight(32)
                        .setFrames(48)
                        .setSteps(12)
                        .setGuidance(3.5)
                        .setSeed(-1)
                        .setUpscale(2)
                        .setPrecision(Precision.PRECISION_BF16)
                        .setWireFormat(WireFormat.WIRE_FORMAT_BF16)
                        .setStepCache(MODE)
                        .setPlan(Plan.newBuilder().setSequenceRanks(2))
                        .setPreviewEvery(4)
                        .setLongVideo(
                            LongVideo.newBuilder()
                                .setSegments(3)
                                .setOverlap(16)
                                .setEditRatio(0.25)
                                .setHandover(Handover.HANDOVER_PIXELS)
                                .addPrompts(
                                    SegmentPrompt.newBuilder()
                                        .setFromSegment(2)
                                        .setPrompt("a dog"))))
                .setMedia(ByteString.copyFrom(new byte[] {1, 2}))
                .setTenant("acme")
                .setPriority(Priority.PRIORITY_HIGH)
                .setDeadline(
                    com.google.protobuf.Duration.newBuilder().setSeconds(90).setNanos(500_000_000))
                .setIdempotencyKey("k")
                .build());
  }

  @Test
  void shouldSendNothingWhenTheModelsLimitsAreExceeded() {
    assertRefused(
        VideoRequest.of(" "),
        "prompt",
        "Expected a prompt of 1 to 32 tokens, but it is empty; say what the video shows");
    assertRefused(
        VideoRequest.of("a cat").size(64, 40),
        "height",
        "Expected a height of 16 to 128 in multiples of 16 for the model demo, but got 40");
    assertRefused(
        VideoRequest.of("a cat").steps(1001), "steps", "Expected steps of 1 to 1000, but got 1001");
    assertRefused(
        VideoRequest.of("a cat").guidance(Double.NaN),
        "guidance",
        "Expected a guidance of -100.0 to 100.0, but got NaN");
    assertRefused(
        VideoRequest.of("a cat").segments(2).overlap(64),
        "long_video.overlap",
        "Expected an overlap of 1 to 63 frames, since segments have 64, but got 64");
    assertThat(server.modelCalls).hasValue(5); // once, and again before each later refusal
  }

  @Test
  void shouldAskForTheModelOnceWhenRequestsAreWithinItsLimits() {
    client.submit(VideoRequest.of("a cat").size(128, 16).build());
    client.submit(VideoRequest.of("a dog").frames(32).build());
    assertThat(server.submitted).hasSize(2);
    assertThat(server.modelCalls).hasValue(1);
    assertThat(client.model().getName()).isEqualTo("demo");
  }

  @Test
  void shouldSendItWhenAnotherModelHasTakenOver() {
    client.submit(VideoRequest.of("a cat").build());
    server.largest = 256;
    client.submit(VideoRequest.of("a cat").size(256, 256).build());
    assertThat(server.submitted).hasSize(2);
  }

  @Test
  void shouldLeaveTheCheckToTheCoordinatorWhenAVideoIsContinued() {
    var token = ContinuationToken.newBuilder().setToken(ByteString.copyFromUtf8("t")).build();
    client.submit(VideoRequest.after(token).segments(2).build());
    assertThat(server.submitted.get(0).getContinuation()).isEqualTo(token.getToken());
    assertThat(server.modelCalls).hasValue(0);
  }

  @Test
  void shouldRefuseAFileWhenItIsTooLargeOrMissing() throws IOException {
    Path large = folder.resolve("large.mp4");
    try (var file = new RandomAccessFile(large.toFile(), "rw")) {
      file.setLength(RequestLimits.MAX_MEDIA_BYTES + 1);
    }
    assertThatThrownBy(() -> VideoRequest.of("a cat").beginsWith(large))
        .isInstanceOfSatisfying(
            LongtakeClientException.class, e -> assertThat(e.field()).contains("media"))
        .hasMessageStartingWith("Expected a picture or video of at most 32 MiB, but got 33554433");
    assertThatThrownBy(() -> VideoRequest.of("a cat").beginsWith(folder.resolve("none.png")))
        .isInstanceOfSatisfying(
            LongtakeClientException.class,
            e -> assertThat(e.reason()).isEqualTo(LongtakeClientException.LOCAL_FILE))
        .hasMessageContaining("none.png");
    Path small = Files.write(folder.resolve("small.png"), new byte[] {7});
    assertThat(VideoRequest.of("a cat").beginsWith(small).build().message().getMedia())
        .isEqualTo(ByteString.copyFrom(new byte[] {7}));
  }
}
