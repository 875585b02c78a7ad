package dev.longtake.ops.launcher;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.longtake.client.JobEvents;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.Plan;
import dev.longtake.v1.WorkerDescription;
import dev.longtake.v1.WorkerStatus;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Workers on GPUs, as processes with the real binding and all kernels, above a driver that is emulated on the host. */
class CudaClusterTest {
  private static final Path EMULATED_DRIVER =
      TestModels.ROOT.resolve("shard-worker/target/cuda/libcuda.so.1");

  private static final long END_SECONDS = 60;

  @TempDir Path folder;

  private Path model;

  @BeforeEach
  void makeModel() throws Exception {
    assumeTrue(Files.isRegularFile(EMULATED_DRIVER), "no g++ on this machine");
    assumeTrue(
        Files.isRegularFile(
            TestModels.ROOT.resolve(
                "shard-worker/target/classes/dev/longtake/worker/device/cuda/kernels.fatbin")),
        "no nvcc on this machine");
    model =
        TestModels.withTransformer(
            folder.resolve("model"),
            "iddpm",
            3,
            """
            {"model_type": "STDiT", "patch_size": [1, 2, 2], "hidden_size": 16, "num_heads": 2,
             "depth": 1, "caption_channels": 64, "model_max_length": 32}\
            """);
  }

  private static GenerationRequest.Builder request() {
    return GenerationRequest.newBuilder()
        .setPrompt("a red circle moving right")
        .setWidth(48)
        .setHeight(32)
        .setFrames(5)
        .setSteps(4)
        .setSeed(3);
  }

  private static GenerationRequest onTwo() {
    return request().setPlan(Plan.newBuilder().setSequenceRanks(2)).build();
  }

  /** A worker on one of two GPUs. */
  private static void addGpuWorker(TestCluster cluster, int gpu, String faults) {
    cluster.addWorker(
        List.of(
            "env",
            "LD_LIBRARY_PATH=" + EMULATED_DRIVER.getParent(),
            "LONGTAKE_EMULATED_CUDA=gpus=2 " + faults),
        "--device",
        "cuda:" + gpu);
  }

  private static WorkerDescription description(TestCluster cluster, String id) {
    return cluster.client().clusterStatus().getWorkersList().stream()
        .map(WorkerStatus::getDescription)
        .filter(worker -> worker.getId().equals(id))
        .findFirst()
        .orElseThrow();
  }

  /** One cluster for all: processes are slow to start. */
  @Test
  void shouldMakeTheSameVideoOnOneGpuAndOnTwoWhenOneFailsInTheMiddle() throws Exception {
    try (TestCluster cluster = TestCluster.start(folder, model, 0)) {
      addGpuWorker(cluster, 0, "");
      WorkerDescription gpu = description(cluster, "w1");
      assertThat(gpu.getDevice()).isEqualTo("cuda");
      assertThat(gpu.getDeviceUuid()).isEqualTo("GPU-e0e0e0e0-e0e0-e0e0-e0e0-e0e0e0e0e000");
      assertThat(gpu.getMemoryTotalBytes()).isBetween(7L << 30, 8L << 30);
      Job alone = cluster.generate(request().build());
      assertThat(alone.getState()).as("%s", alone).isEqualTo(JobState.JOB_STATE_DONE);

      cluster.addWorkers(1);
      assertThat(description(cluster, "w2").getDevice()).isEqualTo("cpu");
      assertThatThrownBy(() -> cluster.client().submit(onTwo()))
          .hasMessageContaining("with cuda alone (w1)")
          .hasMessageContaining("with cpu alone (w2)")
          .hasMessageContaining("--mixed-devices");

      // Measurements and checks make no noise, so this is in the middle of the job.
      addGpuWorker(cluster, 1, "fault=noise:3:700");
      String id = cluster.client().submit(onTwo()).getId();
      assertThat(reasonOfRequeue(cluster, id))
          .startsWith("Worker w3 (rank ")
          .contains("cuda:1 (Emulated GPU, GPU-e0e0e0e0-e0e0-e0e0-e0e0-e0e0e0e0e001)")
          .contains("CUDA_ERROR_ILLEGAL_ADDRESS (700)");
      JavaProcess lost = cluster.worker("w3");
      assertThat(lost.onExit().get(END_SECONDS, SECONDS)).isEqualTo(1);
      assertThat(lost.logTail()).contains("longtake worker: Expected cuda:1").contains("restart");
      assertThat(cluster.memberIds()).containsExactly("w1", "w2");

      addGpuWorker(cluster, 1, "");
      Job shared = cluster.client().watch(id, event -> {});
      assertThat(shared.getState()).as("%s", shared).isEqualTo(JobState.JOB_STATE_DONE);
      assertThat(shared.getWorkerIdsList()).containsExactlyInAnyOrder("w1", "w4");
      assertThat(shared.getVideo().getSha256()).isEqualTo(alone.getVideo().getSha256());
    }
  }

  private static String reasonOfRequeue(TestCluster cluster, String jobId) {
    try (JobEvents events = cluster.client().events(jobId, 0)) {
      JobEvent event = events.next();
      while (!event.hasEnded() && !event.hasRequeued()) {
        event = events.next();
      }
      return event.getRequeued().getReason();
    }
  }

  @Test
  void shouldSayWhatToDoWhenThereIsNoDriver() {
    assumeTrue(isWithoutDriver(), "this machine has NVIDIA's driver");

    Program.Result result =
        Program.run(folder, "worker", "--model", TestModels.DEMO.toString(), "--device", "cuda");

    assertThat(result.status()).isEqualTo(2);
    assertThat(result.err())
        .contains("longtake worker: Expected NVIDIA's driver for --device cuda")
        .contains("no libcuda.so.1")
        .doesNotContain("\tat ");
  }

  private static boolean isWithoutDriver() {
    return !Files.exists(Path.of("/dev/nvidiactl"));
  }
}
