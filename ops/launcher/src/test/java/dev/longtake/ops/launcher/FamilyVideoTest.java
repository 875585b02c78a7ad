package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.Plan;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Other families than the demo's on a real cluster: the demo's text encoder and autoencoder around a transformer with random
 * weights. There is nothing to see in the video; that it is the same on one worker and on two is what counts.
 */
class FamilyVideoTest {
  @TempDir Path folder;

  /** No null caption of its own: the empty prompt is encoded. */
  @Test
  void shouldMakeTheSameVideoWhenTheModelIsLatte() throws Exception {
    shouldMakeTheSameVideoOnAnyNumberOfWorkers(
        "ddim",
        0,
        5,
        "{'_class_name': 'LatteTransformer3DModel', 'num_attention_heads': 4, 'attention_head_dim':"
            + " 12, 'num_layers': 2, 'in_channels': 4, 'out_channels': 8, 'patch_size': 2,"
            + " 'sample_size': 8, 'caption_channels': 64, 'model_max_length': 32}");
  }

  @Tag("long")
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // A stored null caption, guidance on three channels, and noise at every step.
        "iddpm | 3 | 5 | {'model_type': 'STDiT', 'patch_size': [1, 2, 2], 'hidden_size': 48,"
            + " 'num_heads': 4, 'depth': 2, 'caption_channels': 64, 'model_max_length': 32}",
        "dpm-solver++ | 0 | 1 | {'_class_name': 'PixArtTransformer2DModel', 'num_attention_heads':"
            + " 4, 'attention_head_dim': 12, 'num_layers': 2, 'in_channels': 4, 'out_channels': 8,"
            + " 'patch_size': 2, 'sample_size': 8, 'caption_channels': 64, 'model_max_length': 32,"
            + " 'use_additional_conditions': true}",
        // Text tokens in front of the patches, in one attention with them.
        "iddpm | 0 | 4 | {'model_type': 'DiT', 'model_arch': 'token-concat', 'patch_size': 2,"
            + " 'hidden_size': 48, 'num_heads': 4, 'depth': 2, 'in_channels': 4, 'text_embed_dim':"
            + " 64, 'max_num_embeddings': 1024}"
      })
  void shouldMakeTheSameVideoOnAnyNumberOfWorkers(
      String scheduler, int guidedChannels, int frames, String config) throws Exception {
    Path model =
        TestModels.withTransformer(
            folder.resolve("model"), scheduler, guidedChannels, config.replace('\'', '"'));
    GenerationRequest request =
        GenerationRequest.newBuilder()
            .setPrompt("a red circle moving right")
            .setWidth(48)
            .setHeight(32)
            .setFrames(frames)
            .setSteps(4)
            .setSeed(3)
            .build();
    try (TestCluster cluster = TestCluster.start(folder, model, 2)) {
      Plan one = Plan.newBuilder().setSequenceRanks(1).build();
      byte[] alone = video(cluster, request.toBuilder().setPlan(one).build());
      Plan all = Plan.newBuilder().setSequenceRanks(2).build();
      assertThat(video(cluster, request.toBuilder().setPlan(all).build())).isEqualTo(alone);
      assertThat(video(cluster, request)).as("as planned").isEqualTo(alone);
    }
  }

  private byte[] video(TestCluster cluster, GenerationRequest request) throws Exception {
    Job job = cluster.generate(request);
    assertThat(job.getState()).as("%s", job).isEqualTo(JobState.JOB_STATE_DONE);
    Path file = folder.resolve(job.getId() + ".mp4");
    cluster.client().download(job.getId(), file);
    return Files.readAllBytes(file);
  }
}
