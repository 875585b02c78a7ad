package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.checkpoint.SafetensorsFile;
import dev.longtake.common.checkpoint.SafetensorsWriter;
import dev.longtake.common.checkpoint.TensorInfo;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Wrong models, checkpoints, addresses and ports: one line, exit status 2, and the cluster that is there goes on. */
class BadSetUpTest {
  private static final String TENSOR = "spatial_blocks.0.attn.qkv.weight";

  @TempDir static Path shared;
  @TempDir Path folder;

  private static TestCluster cluster;

  @BeforeAll
  static void start() {
    cluster = TestCluster.start(shared, 1);
  }

  @AfterAll
  static void stop() {
    try (TestCluster _ = cluster) {
      // Nothing of what was refused is in the cluster, or has hurt it.
      assertThat(cluster.memberIds()).containsExactly("w1");
      Job job =
          cluster.generate(
              GenerationRequest.newBuilder()
                  .setPrompt("a red star")
                  .setSteps(2)
                  .setSeed(1)
                  .build());
      assertThat(job.getState()).as("%s", job).isEqualTo(JobState.JOB_STATE_DONE);
    }
  }

  /** Runs a command in this process, which is quicker than in its own. */
  private static void assertRefused(List<String> arguments, String... parts) {
    var out = new StringWriter();
    var err = new StringWriter();
    CommandLine line =
        Longtake.commandLine(/* isDebug= */ false)
            .setOut(new PrintWriter(out))
            .setErr(new PrintWriter(err));

    int status = line.execute(arguments.toArray(String[]::new));

    assertThat(status).as("%s", err).isEqualTo(2);
    assertThat(out.toString()).isEmpty();
    assertThat(err.toString()).contains(parts).contains("Expected ").hasLineCount(1);
    assertThat(err.toString()).startsWith("longtake");
  }

  private void assertWorkerRefused(Path model, String... parts) {
    assertRefused(
        List.of(
            "worker",
            "--model",
            model.toString(),
            "--coordinator",
            cluster.address(),
            "--id",
            "other",
            "--threads",
            "1"),
        parts);
  }

  private static int freePort() throws IOException {
    try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  @Test
  void shouldNameTheFolderWhenThereIsNoModel() throws Exception {
    Path nowhere = folder.resolve("nowhere");
    assertWorkerRefused(nowhere, nowhere.toString(), "--model");
    Path empty = Files.createDirectory(folder.resolve("empty"));
    assertWorkerRefused(empty, empty.toString(), "model_index.json");
    Path model = TestModels.copy(folder.resolve("no config"));
    Files.delete(model.resolve("dit/config.json"));
    assertWorkerRefused(model, model.resolve("dit/config.json").toString());
  }

  @Test
  void shouldNameWhatIsWrongWhenTheCheckpointIsSpoiled() throws Exception {
    Path truncated = TestModels.copy(folder.resolve("truncated"));
    try (FileChannel file =
        FileChannel.open(TestModels.weights(truncated), StandardOpenOption.WRITE)) {
      file.truncate(file.size() - 1000);
    }
    assertWorkerRefused(truncated, TestModels.weights(truncated).toString(), "bytes");

    Path renamed = TestModels.copy(folder.resolve("renamed"));
    rewrite(
        renamed, name -> name.equals(TENSOR) ? "spatial_blocks.0.attn.qvk.weight" : name, false);
    assertWorkerRefused(renamed, TENSOR, TestModels.weights(renamed).toString());

    Path reshaped = TestModels.copy(folder.resolve("reshaped"));
    rewrite(reshaped, UnaryOperator.identity(), true);
    assertWorkerRefused(
        reshaped, TENSOR, "384", "[128, 384]", TestModels.weights(reshaped).toString());
  }

  /** Writes a copy's weights again, with other names, and with the shape of {@link #TENSOR} turned round. */
  private static void rewrite(Path model, UnaryOperator<String> name, boolean isReshaped)
      throws IOException {
    Path file = TestModels.weights(model);
    Path changed = file.resolveSibling("changed");
    try (SafetensorsFile weights = SafetensorsFile.open(file)) {
      assertThat(weights.names()).contains(TENSOR);
      var writer = new SafetensorsWriter();
      for (String tensor : weights.names()) {
        TensorInfo info = weights.info(tensor).orElseThrow();
        List<Long> shape =
            isReshaped && tensor.equals(TENSOR) ? info.shape().reversed() : info.shape();
        writer.add(name.apply(tensor), info.dtype(), shape, weights.bytes(tensor));
      }
      writer.write(changed);
    }
    Files.move(changed, file, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
  }

  @Test
  void shouldNameBothModelsWhenASecondWorkerHasOtherWeights() throws Exception {
    Path other = TestModels.copy(folder.resolve("other"));
    byte[] weights = Files.readAllBytes(TestModels.weights(other));
    weights[weights.length - 3] ^= 1;
    Files.write(TestModels.weights(other), weights);
    assertWorkerRefused(
        other,
        "refused this worker",
        "Expected the cluster's model shapes-stdit3-tiny (fingerprint ",
        "but worker other has shapes-stdit3-tiny (fingerprint ",
        "--model");
  }

  @Test
  void shouldNameTheAddressWhenNothingListensThere() throws Exception {
    String address = "127.0.0.1:" + freePort();
    assertRefused(
        List.of(
            "worker",
            "--model",
            TestModels.DEMO.toString(),
            "--threads",
            "1",
            "--coordinator",
            address,
            "--join-timeout",
            "1"),
        "Expected a coordinator at " + address,
        "nothing answered within 1.0 s",
        "--coordinator");
    assertRefused(
        List.of("status", "--coordinator", address), "coordinator at " + address, "longtake up");
    assertRefused(
        List.of("generate", "x", "--coordinator", "here", "--out", folder + "/a.mp4"),
        "host:port",
        "'here'");
  }

  @Test
  void shouldPrintOneLineAndNothingElseWhenAProcessRefuses() throws Exception {
    String address = "127.0.0.1:" + freePort();
    List<Program.Result> results = new ArrayList<>();
    results.add(
        Program.run(
            folder, "generate", "a cat", "--coordinator", address, "--out", folder + "/a.mp4"));
    assertThat(results.getLast().err()).contains("Expected a Longtake coordinator at " + address);
    String taken = cluster.address().substring(cluster.address().indexOf(':') + 1);
    results.add(
        Program.run(
            folder, "coordinator", "--port", taken, "--data", folder.resolve("d").toString()));
    assertThat(results.getLast().err())
        .contains(
            "Expected port " + taken + " of 127.0.0.1 to be free", "choose another with --port");
    results.add(Program.run(folder, "demo", "a cat", "--precision", "f16"));
    assertThat(results.getLast().err()).contains("--precision", "(see 'longtake demo --help')");
    for (Program.Result result : results) {
      assertThat(result.status()).as("%s", result).isEqualTo(2);
      assertThat(result.out()).isEmpty();
      assertThat(result.err()).startsWith("longtake").hasLineCount(1);
    }
  }
}
