package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.longtake.common.digest.Sha256;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The examples for applications, each with the gRPC of its own language. */
class ExamplesTest {
  private static final Path EXAMPLES = TestModels.ROOT.resolve("client/examples");
  private static final String PROMPT = "a red star shrinking on a white background";
  private static final long SECONDS = 120;

  /** Debian's, which its gRPC is for; a python3 that is earlier on the path may be another. */
  private static final String PYTHON = "/usr/bin/python3";

  @TempDir static Path folder;
  private static TestCluster cluster;

  @BeforeAll
  static void start() {
    cluster = TestCluster.start(folder, 1);
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  @Test
  void shouldMakeAVideoFromJava() throws Exception {
    Path flags = folder.resolve("flags");
    Files.writeString(flags, "-cp\n\"" + System.getProperty("java.class.path") + "\"\n");
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();

    assertMakesAVideo(
        Map.of(), List.of(java, "@" + flags, EXAMPLES.resolve("java/OneVideo.java").toString()));
  }

  @Test
  void shouldMakeAVideoFromPythonAndCancelOne() throws Exception {
    assumeTrue(
        succeeds(PYTHON, "-c", "import grpc") && succeeds("protoc", "--version"),
        "no gRPC for Python on this machine");
    Path stubs = Files.createDirectory(folder.resolve("stubs"));
    String plugin = output("which", "grpc_python_plugin").strip();
    Path contracts = TestModels.ROOT.resolve("proto/src/main/proto");
    var protoc =
        new ArrayList<>(
            List.of(
                "protoc",
                "-I" + contracts,
                "--python_out=" + stubs,
                "--grpc_out=" + stubs,
                "--plugin=protoc-gen-grpc=" + plugin));
    try (Stream<Path> files = Files.list(contracts.resolve("longtake/v1"))) {
      files.map(Path::toString).forEach(protoc::add);
    }
    output(protoc.toArray(String[]::new));
    Map<String, String> environment = Map.of("PYTHONPATH", stubs.toString());
    List<String> program = List.of(PYTHON, EXAMPLES.resolve("python/generate.py").toString());

    assertMakesAVideo(environment, program);
    assertCancels(environment, program);
  }

  @Test
  void shouldMakeAVideoFromNodeAndCancelOne() throws Exception {
    assumeTrue(
        succeeds("node", "--version") && succeeds("npm", "--version"),
        "no Node.js on this machine");
    // In place, since the example reads the contracts of the repository it is in.
    output("npm", "ci", "--no-audit", "--no-fund", "--prefix", EXAMPLES.resolve("node").toString());
    List<String> program = List.of("node", EXAMPLES.resolve("node/generate.js").toString());

    assertMakesAVideo(Map.of(), program);
    assertCancels(Map.of(), program);
  }

  private static void assertMakesAVideo(Map<String, String> environment, List<String> program)
      throws Exception {
    Path video = folder.resolve("star.mp4");
    Process process = start(environment, program, video);
    String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

    assertThat(process.waitFor(SECONDS, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).as(printed).isZero();
    assertThat(printed).contains("SHA-256 " + Sha256.hex(Files.readAllBytes(video)));
    Job job = cluster.client().list(1).getFirst();
    assertThat(job.getRequest().getPrompt()).isEqualTo(PROMPT);
    assertThat(printed).contains(job.getVideo().getSha256());
    Files.delete(video);
  }

  /** Ctrl-C while it watches. */
  private static void assertCancels(Map<String, String> environment, List<String> program)
      throws Exception {
    Path video = folder.resolve("never.mp4");
    Process process = start(environment, program, video);
    StringBuilder printed = new StringBuilder();
    try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        printed.append(line).append('\n');
        if (line.startsWith("workers: ")) {
          output("kill", "-INT", Long.toString(process.pid()));
        }
      }
    }

    assertThat(process.waitFor(SECONDS, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).as("%s", printed).isEqualTo(1);
    assertThat(printed).contains("JOB_STATE_CANCELED");
    assertThat(cluster.client().list(1).getFirst().getState())
        .isEqualTo(JobState.JOB_STATE_CANCELED);
    assertThat(video).doesNotExist();
  }

  private static Process start(Map<String, String> environment, List<String> program, Path video)
      throws IOException {
    var command = new ArrayList<String>();
    if (Program.isEnvNewEnough()) {
      // Else a Ctrl-C that the tests ignore is ignored by the example, too.
      command.addAll(List.of("env", "--default-signal=INT"));
    }
    command.addAll(program);
    command.addAll(List.of(cluster.address(), PROMPT, video.toString()));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(environment);
    return builder.start();
  }

  private static boolean succeeds(String... command) throws InterruptedException {
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      process.getInputStream().readAllBytes();
      return process.waitFor() == 0;
    } catch (IOException e) {
      return false;
    }
  }

  private static String output(String... command) throws Exception {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(SECONDS, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).as(printed).isZero();
    return printed;
  }
}
