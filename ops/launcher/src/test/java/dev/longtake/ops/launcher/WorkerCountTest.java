package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.Plan;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The same request gives the same bytes, however many workers share it. The file's bytes cover every decoded frame. */
class WorkerCountTest {
  private static final GenerationRequest DEFAULTS =
      GenerationRequest.newBuilder()
          .setPrompt("a red circle moving right on a black background")
          .setSteps(6)
          .setSeed(7)
          .build();

  /** 7 frames of 15 patches: no number of workers here divides the frames, and 2 does not divide the patches. */
  private static final GenerationRequest UNEVEN =
      GenerationRequest.newBuilder()
          .setPrompt("a yellow star growing")
          .setWidth(80)
          .setHeight(48)
          .setFrames(7)
          .setSteps(3)
          .setSeed(7)
          .build();

  @TempDir Path folder;

  private record Videos(String defaults, String uneven) {}

  @Test
  void shouldGiveTheSameBytesWhenOneTwoThreeOrFiveWorkersShareTheJob() throws Exception {
    try (TestCluster cluster = TestCluster.start(folder, 1)) {
      Videos alone = generate(cluster, 1);
      assertThat(alone.defaults()).isNotEqualTo(alone.uneven());
      for (int workers : List.of(2, 3, 5)) {
        cluster.addWorkers(workers - cluster.memberIds().size());
        assertThat(generate(cluster, workers)).as("%d workers", workers).isEqualTo(alone);
      }
    }
  }

  private Videos generate(TestCluster cluster, int workers) throws Exception {
    return new Videos(sha256(cluster, DEFAULTS, workers), sha256(cluster, UNEVEN, workers));
  }

  private String sha256(TestCluster cluster, GenerationRequest request, int workers)
      throws Exception {
    // The planner might find fewer faster.
    Plan all = Plan.newBuilder().setSequenceRanks(workers).build();
    Job job = cluster.generate(request.toBuilder().setPlan(all).build());
    assertThat(job.getState()).as("%s", job).isEqualTo(JobState.JOB_STATE_DONE);
    assertThat(job.getPlan().getSequenceRanks()).isEqualTo(workers);
    assertThat(job.getWorkerIdsList()).hasSize(workers).doesNotHaveDuplicates();
    Path file = cluster.client().download(job.getId(), folder.resolve(job.getId() + ".mp4"));
    byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
    assertThat(job.getVideo().getSha256()).isEqualTo(HexFormat.of().formatHex(digest));
    return job.getVideo().getSha256();
  }
}
