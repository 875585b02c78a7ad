package dev.longtake.ops.launcher;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.google.protobuf.Any;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.v1.CancelJobRequest;
import dev.longtake.v1.DownloadRequest;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.GetJobRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.ListJobsRequest;
import dev.longtake.v1.Plan;
import dev.longtake.v1.SubmitRequest;
import dev.longtake.v1.WatchRequest;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** What a running cluster refuses, and that it goes on serving after each refusal. */
class BadRequestTest {
  @TempDir static Path folder;

  private static TestCluster cluster;
  private static ManagedChannel channel;

  private int jobsBefore;

  @BeforeAll
  static void start() {
    cluster = TestCluster.start(folder, 2);
    channel = Endpoints.connect(cluster.address());
  }

  @AfterAll
  static void stop() {
    channel.shutdownNow();
    cluster.close();
  }

  /** Whatever a test sent, the next good request is served by both workers. */
  @AfterEach
  void requireService() {
    int jobs = cluster.client().list(0).size();
    Plan both = Plan.newBuilder().setSequenceRanks(2).build();
    Job job = cluster.generate(good().setPlan(both).build());
    assertThat(job.getState()).as("%s", job).isEqualTo(JobState.JOB_STATE_DONE);
    assertThat(job.getWorkerIdsList()).containsExactlyInAnyOrder("w1", "w2");
    assertThat(jobs).as("jobs made of refused requests").isEqualTo(jobsBefore);
  }

  @BeforeEach
  void count() {
    jobsBefore = cluster.client().list(0).size();
  }

  private static GenerationRequest.Builder good() {
    return GenerationRequest.newBuilder()
        .setPrompt("a blue square")
        .setWidth(32)
        .setHeight(32)
        .setFrames(2)
        .setSteps(1)
        .setSeed(1);
  }

  private static GenerationGrpc.GenerationBlockingStub generation() {
    return GenerationGrpc.newBlockingStub(channel).withDeadlineAfter(60, TimeUnit.SECONDS);
  }

  /** Sends a request that must be refused because of {@code field}. */
  private static void assertRefused(
      GenerationRequest.Builder request, String field, String... parts) {
    assertStatus(
        () -> generation().submit(SubmitRequest.newBuilder().setRequest(request).build()),
        Status.Code.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        field,
        parts);
  }

  private static void assertStatus(
      Supplier<Object> call,
      Status.Code code,
      String reason,
      @Nullable String field,
      String... messageParts) {
    StatusRuntimeException failure = catchThrowableOfType(StatusRuntimeException.class, call::get);
    assertThat(failure).as("the refusal").isNotNull();
    assertThat(failure.getStatus().getCode()).as("%s", failure).isEqualTo(code);
    com.google.rpc.Status status = requireNonNull(StatusProto.fromThrowable(failure));
    assertThat(status.getMessage()).startsWith("Expected ").contains(messageParts).hasLineCount(1);
    var infos = new ArrayList<ErrorInfo>();
    var fields = new ArrayList<String>();
    for (Any detail : status.getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        infos.add(unpack(detail, ErrorInfo.class));
      } else if (detail.is(BadRequest.class)) {
        for (var violation : unpack(detail, BadRequest.class).getFieldViolationsList()) {
          assertThat(violation.getDescription()).isEqualTo(status.getMessage());
          fields.add(violation.getField());
        }
      }
    }
    assertThat(infos)
        .containsExactly(
            ErrorInfo.newBuilder().setDomain("longtake.dev").setReason(reason).build());
    assertThat(fields).isEqualTo(field == null ? List.of() : List.of(field));
  }

  private static <M extends com.google.protobuf.Message> M unpack(Any detail, Class<M> type) {
    try {
      return detail.unpack(type);
    } catch (com.google.protobuf.InvalidProtocolBufferException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void shouldRefuseWhenThePromptIsEmptyBlankOrTooLong() {
    assertRefused(good().clearPrompt(), "prompt", "1 to 32 tokens", "it is empty");
    assertRefused(good().setPrompt(" \t\n "), "prompt", "1 to 32 tokens", "it is empty");
    assertRefused(
        good().setPrompt("red ".repeat(40)), "prompt", "at most 32 tokens", "it has 41", "shorten");
    assertRefused(
        good().setPrompt("red ".repeat(10_000)), "prompt", "32 tokens", "40000 characters");
  }

  @Test
  void shouldRefuseWhenTheSizeIsOutOfTheModelsRange() {
    for (int width : List.of(0, -64, 16, 272, 100_000_000, 72)) {
      assertRefused(
          good().setWidth(width),
          "width",
          "width of 32 to 256 in multiples of 16",
          "shapes-stdit3-tiny",
          "but got " + width);
    }
    for (int height : List.of(0, Integer.MIN_VALUE, 31, 257, 63)) {
      assertRefused(
          good().setHeight(height),
          "height",
          "height of 32 to 256 in multiples of 16",
          "but got " + height);
    }
  }

  @Test
  void shouldRefuseWhenTheNumberOfFramesIsOutOfTheModelsRange() {
    for (int frames : List.of(0, -1, 65, Integer.MAX_VALUE)) {
      assertRefused(good().setFrames(frames), "frames", "frames of 1 to 64", "but got " + frames);
    }
  }

  @Test
  void shouldRefuseWhenStepsGuidanceOrUpscaleAreOutOfRange() {
    for (int steps : List.of(0, -5, 1001)) {
      assertRefused(good().setSteps(steps), "steps", "steps of 1 to 1000", "but got " + steps);
    }
    for (double guidance :
        List.of(Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, 1e9)) {
      assertRefused(
          good().setGuidance(guidance),
          "guidance",
          "guidance of -100.0 to 100.0",
          "but got " + guidance);
    }
    for (int upscale : List.of(0, -1, 17)) {
      assertRefused(
          good().setUpscale(upscale), "upscale", "upscale of 1 to 16", "but got " + upscale);
    }
    assertRefused(
        good().setWidth(256).setHeight(256).setUpscale(16),
        "upscale",
        "at most 4096 pixels",
        "4096 x 4096",
        "choose a smaller upscale");
    assertRefused(good().setPrecisionValue(9), "precision", "PRECISION_F32", "unknown value 9");
  }

  @Test
  void shouldRefuseWhenTheJobIsUnknownOrNotDone() {
    String id = "no\nsuch job";
    List<Supplier<Object>> calls =
        List.of(
            () -> generation().get(GetJobRequest.newBuilder().setJobId(id).build()),
            () -> generation().cancel(CancelJobRequest.newBuilder().setJobId(id).build()),
            () -> generation().watch(WatchRequest.newBuilder().setJobId(id).build()).next(),
            () -> generation().download(DownloadRequest.newBuilder().setJobId(id).build()).next());
    for (Supplier<Object> call : calls) {
      assertStatus(call, Status.Code.NOT_FOUND, "NO_SUCH_JOB", null, "such job", "list the jobs");
    }
    assertStatus(
        () -> generation().list(ListJobsRequest.newBuilder().setLimit(-1).build()),
        Status.Code.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "limit",
        "limit of 1 to 1000",
        "but got -1");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--frames | 0       | frames of 1 to 64",
        "--steps  | -3      | steps of 1 to 1000",
        "--guidance | NaN   | guidance of -100.0 to 100.0",
        "--upscale | 40     | upscale of 1 to 16",
        "--width  | 33      | multiples of 16",
        "--precision | f16  | Expected f32 or bf16",
        "--seed   | -1      | seed of 0 to 18446744073709551615",
      })
  void shouldSayItOnOneLineWhenGenerateIsRefused(String option, String value, String expected) {
    assertGenerateRefused(List.of("a cat", option, value), expected, value);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "   "})
  void shouldSayItOnOneLineWhenThePromptOfGenerateIsBlank(String prompt) {
    assertGenerateRefused(List.of(prompt), "it is empty");
  }

  private static void assertGenerateRefused(List<String> arguments, String... parts) {
    var out = new StringWriter();
    var err = new StringWriter();
    var command = new ArrayList<String>(List.of("generate"));
    command.addAll(arguments);
    command.addAll(List.of("--coordinator", cluster.address()));
    command.addAll(List.of("--out", folder.resolve("never.mp4").toString()));
    CommandLine line =
        Longtake.commandLine(/* isDebug= */ false)
            .setOut(new PrintWriter(out))
            .setErr(new PrintWriter(err));

    int status = line.execute(command.toArray(String[]::new));

    assertThat(status).isEqualTo(2);
    assertThat(out.toString()).isEmpty();
    assertThat(err.toString()).startsWith("longtake: ").contains(parts).hasLineCount(1);
    assertThat(err.toString().toLowerCase(Locale.ROOT)).doesNotContain("exception");
    assertThat(folder.resolve("never.mp4")).doesNotExist();
  }
}
