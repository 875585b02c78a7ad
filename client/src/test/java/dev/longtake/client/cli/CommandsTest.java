package dev.longtake.client.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.longtake.client.LongtakeClientException;
import dev.longtake.client.ScriptedServer;
import dev.longtake.v1.BlockRange;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Handover;
import dev.longtake.v1.JobState;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Precision;
import dev.longtake.v1.SegmentPrompt;
import dev.longtake.v1.SubmitRequest;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

class CommandsTest {
  @TempDir Path folder;

  private ScriptedServer server;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @BeforeEach
  void start() throws IOException {
    server = new ScriptedServer();
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private int run(Object command, String... arguments) {
    return new CommandLine(command)
        .setOut(new PrintWriter(out))
        .setErr(new PrintWriter(err))
        .setExecutionExceptionHandler((failure, line, parsed) -> {
          err.append(failure.getMessage());
          return failure instanceof LongtakeClientException e ? ExitCodes.of(e) : 99;
        })
        .execute(arguments);
  }

  @Test
  void shouldWriteTheVideoAndReportWhenGenerating() {
    Path file = folder.resolve("new/folder/cat.mp4");
    int status =
        run(
            new GenerateCommand(),
            "a cat",
            "--coordinator=" + server.address(),
            "--out=" + file,
            "--width=64",
            "--height=32",
            "--frames=17",
            "--steps=3",
            "--guidance=4.5",
            "--seed=18446744073709551615",
            "--upscale=6",
            "--precision=bf16");
    assertThat(status).isZero();
    assertThat(file).hasBinaryContent(server.video);
    assertThat(server.submitted)
        .singleElement()
        .extracting(submit -> submit.getRequest())
        .isEqualTo(
            GenerationRequest.newBuilder()
                .setPrompt("a cat")
                .setWidth(64)
                .setHeight(32)
                .setFrames(17)
                .setSteps(3)
                .setGuidance(4.5)
                .setSeed(-1)
                .setUpscale(6)
                .setPrecision(Precision.PRECISION_BF16)
                .build());
    assertThat(out.toString().lines().toList())
        .satisfies(lines -> assertThat(lines.get(0)).contains(file.toString(), "64x32, 17 frames"))
        .contains(
            "seed   18446744073709551615",
            "plan   2 workers: 2 stages [0-3,3-4], 2 parts (both idle)",
            "step   0.700 s measured, 0.600 s predicted, of which 0.010 s wait for bytes",
            "ranks  w1  compute 1.50 s, exchange 0.10 s exposed + 0.20 s hidden, idle 0.50 s, sent"
                + " 2.0 KiB",
            "       w2  compute 1.25 s, exchange 0.00 s exposed + 0.00 s hidden, idle 0.75 s, sent"
                + " 0 B",
            "time   text encoder         0.25 s",
            "       sampling: compute    2.00 s");
  }

  @Test
  void shouldLeaveEverythingToTheServerWhenNoOptionIsGiven() {
    int status =
        run(
            new GenerateCommand(),
            "a cat",
            "--coordinator=" + server.address(),
            "--out=" + folder.resolve("a.mp4"),
            "--json");
    assertThat(status).isZero();
    assertThat(server.submitted.get(0).getRequest())
        .isEqualTo(GenerationRequest.newBuilder().setPrompt("a cat").build());
    JsonObject json = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertThat(json.get("file").getAsString()).endsWith("a.mp4");
    assertThat(json.getAsJsonObject("request").get("seed").getAsBigInteger())
        .isEqualTo("18446744073709551615");
    JsonObject plan = json.getAsJsonObject("plan");
    assertThat(plan.get("sequence_ranks").getAsInt()).isEqualTo(1);
    assertThat(plan.get("micro_batches").getAsInt()).isEqualTo(2);
    assertThat(plan.getAsJsonArray("stages").get(1)).hasToString("{\"start\":3,\"end\":4}");
    assertThat(plan.getAsJsonObject("prediction").get("step_seconds").getAsDouble()).isEqualTo(0.6);
    assertThat(json.get("step_seconds").getAsDouble()).isCloseTo(0.7, within(1e-9));
    JsonObject rank = json.getAsJsonArray("rank_times").get(0).getAsJsonObject();
    assertThat(rank.get("worker_id").getAsString()).isEqualTo("w1");
    assertThat(rank.get("exchange_hidden_seconds").getAsDouble()).isEqualTo(0.2);
    assertThat(rank.get("sent_bytes").getAsLong()).isEqualTo(2048);
    assertThat(json.getAsJsonArray("stage_times").get(0).getAsJsonObject().get("seconds"))
        .hasToString("0.25");
  }

  @Test
  void shouldAskForSegmentsAndStreamThemWhenTheVideoIsLong() throws IOException {
    Path stream = folder.resolve("growing.mp4");
    Path preview = folder.resolve("now.png");
    Path picture = Files.write(folder.resolve("a.png"), new byte[] {1, 2, 3});

    int status =
        run(
            new GenerateCommand(),
            "a cat",
            "--coordinator=" + server.address(),
            "--out=" + folder.resolve("a.mp4"),
            "--stream=" + stream,
            "--preview=" + preview,
            "--preview-every=7",
            "--segments=5",
            "--overlap=4",
            "--edit-ratio=0.1",
            "--handover=pixels",
            "--segment-prompt=4=a dog",
            "--segment-prompt=2=a bird",
            "--image=" + picture);

    assertThat(status).as(err.toString()).isZero();
    assertThat(stream).hasBinaryContent(server.video);
    assertThat(preview).hasBinaryContent(new byte[] {25});
    SubmitRequest submit = server.submitted.get(0);
    assertThat(submit.getRequest().getPreviewEvery()).isEqualTo(7);
    assertThat(submit.getMedia().toByteArray()).containsExactly(1, 2, 3);
    assertThat(submit.getRequest().getLongVideo())
        .isEqualTo(
            LongVideo.newBuilder()
                .setSegments(5)
                .setOverlap(4)
                .setEditRatio(0.1)
                .setHandover(Handover.HANDOVER_PIXELS)
                .addPrompts(SegmentPrompt.newBuilder().setFromSegment(2).setPrompt("a bird"))
                .addPrompts(SegmentPrompt.newBuilder().setFromSegment(4).setPrompt("a dog"))
                .build());
  }

  /** The model's clips have 64 frames at 8 a second. */
  @Test
  void shouldCountTheSegmentsThatSecondsNeed() {
    assertThat(segments("--seconds=8")).isEqualTo(1);
    assertThat(segments("--seconds=8.1")).isEqualTo(2);
    assertThat(segments("--seconds=120")).isEqualTo(1 + (960 - 64) / 32);
    assertThat(segments("--seconds=120", "--overlap=8")).isEqualTo(1 + (960 - 64) / 56);
    assertThat(segments("--seconds=10", "--frames=16")).isEqualTo(1 + (80 - 16) / 8);
  }

  private int segments(String... options) {
    List<String> arguments = new ArrayList<>(List.of(options));
    arguments.add("a cat");
    arguments.add("--coordinator=" + server.address());
    arguments.add("--out=" + folder.resolve("a.mp4"));
    assertThat(run(new GenerateCommand(), arguments.toArray(String[]::new)))
        .as(err.toString())
        .isZero();
    return server
        .submitted
        .get(server.submitted.size() - 1)
        .getRequest()
        .getLongVideo()
        .getSegments();
  }

  @Test
  void shouldContinueWithATokenWhenOneIsGiven() {
    Path token = folder.resolve("a.token");

    assertThat(
            run(
                new ContinuationCommand(),
                "job-1",
                "--coordinator=" + server.address(),
                "--out=" + token))
        .as(err.toString())
        .isZero();
    assertThat(out.toString()).contains(token.toString(), "after segment 2, frame 24");
    assertThat(
            run(
                new GenerateCommand(),
                "--continue=" + token,
                "--coordinator=" + server.address(),
                "--out=" + folder.resolve("a.mp4")))
        .as(err.toString())
        .isZero();

    assertThat(server.submitted.get(0).getContinuation().toByteArray()).isEqualTo(server.trace);
  }

  @Test
  void shouldExitWithTwoWhenOptionsOfLongVideosContradictEachOther() {
    assertThat(run(new GenerateCommand(), "--out=a.mp4")).isEqualTo(2);
    assertThat(err.toString()).contains("Expected a PROMPT, or --continue FILE");
    String at = "--coordinator=" + server.address();
    String to = "--out=" + folder.resolve("a.mp4");
    assertThat(run(new GenerateCommand(), "a cat", at, to, "--segments=2", "--seconds=3"))
        .isEqualTo(2);
    assertThat(run(new GenerateCommand(), "a cat", at, to, "--seconds=-3")).isEqualTo(2);
    assertThat(run(new GenerateCommand(), "a cat", at, to, "--seconds=NaN")).isEqualTo(2);
    assertThat(run(new GenerateCommand(), "a cat", at, to, "--handover=tape")).isEqualTo(2);
    assertThat(run(new GenerateCommand(), "a cat", at, to, "--segment-prompt=x=y")).isEqualTo(2);
    assertThat(run(new GenerateCommand(), "a cat", at, to, "--image=a", "--continue=b"))
        .isEqualTo(2);
    assertThat(run(new GenerateCommand(), "a cat", at, to, "--image=" + folder.resolve("none")))
        .isEqualTo(1);
    assertThat(err.toString()).contains("there is no such file");
    assertThat(server.submitted).isEmpty();
  }

  @Test
  void shouldAskForThePlanWhenOneIsGiven() {
    int status =
        run(
            new GenerateCommand(),
            "a cat",
            "--coordinator=" + server.address(),
            "--out=" + folder.resolve("a.mp4"),
            "--plan",
            "stages=0-3,3-4 parts=2");
    assertThat(status).isZero();
    Plan plan = server.submitted.get(0).getRequest().getPlan();
    assertThat(plan.getStages(1)).isEqualTo(BlockRange.newBuilder().setStart(3).setEnd(4).build());
    assertThat(plan.getMicroBatches()).isEqualTo(2);
  }

  @Test
  void shouldWriteTheTraceWhenAskedForIt() {
    Path file = folder.resolve("deep/er/trace.json");

    int status =
        run(
            new TraceCommand(),
            "job-1",
            "-o",
            file.toString(),
            "--coordinator=" + server.address());

    assertThat(status).isZero();
    assertThat(file).hasBinaryContent(server.trace);
    assertThat(file.getParent()).isDirectoryNotContaining("glob:**.part");
    assertThat(out.toString()).contains(file.toString(), "2.5 KiB", "perfetto");
  }

  @Test
  void shouldExitWithOneWhenThereIsNoTrace() {
    int status =
        run(
            new TraceCommand(),
            "job-2",
            "--out=" + folder.resolve("t.json"),
            "--coordinator=" + server.address());
    assertThat(status).isEqualTo(ExitCodes.FAILED);
    assertThat(err).hasToString("Expected the id of a job, but got 'job-2'");
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void shouldExitWithTwoWhenTheRequestIsInvalid() {
    int status =
        run(
            new GenerateCommand(),
            "",
            "--coordinator=" + server.address(),
            "--out=" + folder.resolve("a.mp4"));
    assertThat(status).isEqualTo(ExitCodes.USAGE);
    assertThat(err).hasToString("Expected a prompt, but it is empty");
  }

  @Test
  void shouldExitWithOneAndTheReasonWhenTheJobFails() {
    server.endState = JobState.JOB_STATE_FAILED;
    int status =
        run(
            new GenerateCommand(),
            "a cat",
            "--coordinator=" + server.address(),
            "--out=" + folder.resolve("a.mp4"));
    assertThat(status).isEqualTo(ExitCodes.FAILED);
    assertThat(err).hasToString("worker w2 died in step 2");
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void shouldNotSubmitWhenTheFileCannotBeWritten() throws IOException {
    Path blocked = Files.writeString(folder.resolve("file"), "").resolve("a.mp4");
    for (Path out : List.of(blocked, folder)) {
      int status =
          run(new GenerateCommand(), "a cat", "--coordinator=" + server.address(), "--out=" + out);
      assertThat(status).as("%s", out).isEqualTo(ExitCodes.FAILED);
    }
    assertThat(server.submitted).isEmpty();
    assertThat(err.toString()).contains("choose another file with --out");
  }

  @Test
  void shouldNameTheValueWhenAnOptionCannotBeRead() {
    for (String option :
        List.of("--seed=-1", "--precision=f16", "--steps=many", "--width=1.5", "--plan=turbo")) {
      assertThat(run(new GenerateCommand(), "a cat", option)).as(option).isEqualTo(2);
      assertThat(err.toString()).contains("'" + option.substring(option.indexOf('=') + 1) + "'");
    }
    assertThat(run(new GenerateCommand())).isEqualTo(2);
  }

  @Test
  void shouldWatchAJobToItsEnd() {
    server.watchesToBreak.set(1);
    assertThat(run(new WatchCommand(), "job-1", "--coordinator=" + server.address())).isZero();
    assertThat(out.toString()).contains("done", "a cat");

    server.endState = JobState.JOB_STATE_FAILED;
    assertThat(run(new WatchCommand(), "job-1", "--coordinator=" + server.address()))
        .isEqualTo(ExitCodes.FAILED);
    assertThat(out.toString()).contains("PEER_LOST: worker w2 died in step 2");
    assertThat(server.cancelled).isEmpty();
  }

  @Test
  void shouldPrintAnObjectForEachEventWhenWatchingForAProgram() {
    assertThat(run(new WatchCommand(), "job-1", "--json", "--coordinator=" + server.address()))
        .isZero();
    List<JsonObject> events =
        out.toString().lines().map(line -> JsonParser.parseString(line).getAsJsonObject()).toList();
    assertThat(events).filteredOn(event -> event.has("step_done")).hasSize(ScriptedServer.STEPS);
    assertThat(events.get(events.size() - 1).getAsJsonObject("ended").get("state").getAsString())
        .isEqualTo("JOB_STATE_DONE");
  }

  @Test
  void shouldFetchTheVideoOfAJob() {
    Path file = folder.resolve("new/cat.mp4");
    server.downloadsToBreak.set(1);
    assertThat(
            run(
                new DownloadCommand(),
                "job-1",
                "-o",
                file.toString(),
                "--coordinator=" + server.address()))
        .isZero();
    assertThat(file).hasBinaryContent(server.video);
    assertThat(out.toString()).contains("video  " + file);
  }

  @Test
  void shouldShowALineForEachWorker() {
    assertThat(run(new WorkersCommand(), "--coordinator=" + server.address())).isZero();
    assertThat(out.toString())
        .hasLineCount(1)
        .startsWith("w1 at 127.0.0.1:7401, cuda (NVIDIA L4, GPU-7), 3.0 GiB, on jobs j1, j2");
  }

  @Test
  void shouldShowModelAndWorkersWhenAskedForTheStatus() {
    assertThat(run(new StatusCommand(), "--coordinator=" + server.address())).isZero();
    assertThat(out.toString())
        .contains(
            "jobs     1 running, 0 queued",
            "model    demo: STDiT3, 8 blocks, 1,234,567 parameters",
            "width 64 (16 to 128, multiples of 16)",
            "w1 at 127.0.0.1:7401, cuda (NVIDIA L4, GPU-7), 3.0 GiB, on jobs j1, j2",
            "measured blocks of 1 of 1 workers, 2 links of 0.80 to 1.20 GB/s, 50 to 70 us");
  }

  @Test
  void shouldPrintTheProtoAsJsonWhenAskedForTheStatus() {
    assertThat(run(new StatusCommand(), "--coordinator=" + server.address(), "--json")).isZero();
    JsonObject json = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertThat(json.get("running_jobs").getAsInt()).isEqualTo(1);
    assertThat(json.get("queued_jobs").getAsInt()).isZero();
    assertThat(json.getAsJsonArray("workers")).hasSize(1);
  }

  @Test
  void shouldMakeAFileNameWhenThePromptIsAnything() {
    assertThat(OutputFile.forPrompt("A red circle, moving RIGHT!"))
        .hasToString(Path.of("out", "a-red-circle-moving-right.mp4").toString());
    assertThat(OutputFile.forPrompt("../../etc/passwd").getFileName())
        .hasToString("etc-passwd.mp4");
    assertThat(OutputFile.forPrompt("?!").getFileName()).hasToString("video.mp4");
    assertThat(OutputFile.forPrompt("ab ".repeat(100)).getFileName().toString())
        .hasSizeLessThanOrEqualTo(64)
        .endsWith("ab.mp4");
  }
}
