package dev.longtake.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.coordinator.cache.EmbeddingCacheSettings;
import dev.longtake.v1.CacheStatus;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Reuse;
import dev.longtake.v1.WorkOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Prompts that come again. */
final class PromptCacheTest {
  @TempDir Path folder = Path.of("");

  private static Job run(TestCluster cluster, String prompt) {
    return cluster.end(cluster.submit(GenerationRequest.newBuilder().setPrompt(prompt)).getId());
  }

  private static ModelCard cardThatEncodesTheNullText() {
    return FakeWorker.card().toBuilder()
        .setEncodesNullText(true)
        .setEncoderRevision("encoder")
        .build();
  }

  @Test
  void shouldRunTheTextEncoderOnceForAPromptHoweverItIsSpelled() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker worker = cluster.joined("w1");

      assertThat(run(cluster, "a red circle").getReuse())
          .returns(1, Reuse::getEncoderRuns)
          .returns(0, Reuse::getEmbeddingsReused);
      assertThat(run(cluster, "a red circle").getReuse())
          .returns(0, Reuse::getEncoderRuns)
          .returns(1, Reuse::getEmbeddingsReused);
      // The tokenizer of these workers does not look at cases.
      assertThat(run(cluster, "A Red Circle").getReuse()).returns(0, Reuse::getEncoderRuns);

      assertThat(worker.encodings).containsExactly("a red circle");
      WorkOrder first = worker.orders.take();
      WorkOrder second = worker.orders.take();
      assertThat(second.getSampling().getPromptsList())
          .isEqualTo(first.getSampling().getPromptsList());
      assertThat(first.getSampling().getPrompts(0).getTokenIdsCount()).isEqualTo(3);
      assertThat(cluster.status().getEmbeddingCache())
          .returns(1L, CacheStatus::getLoads)
          .returns(2L, CacheStatus::getHits)
          .returns(1L, CacheStatus::getEntries);
    }
  }

  @Test
  void shouldEncodeTheNullTextOnceForAllPrompts() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker worker = cluster.joined(cluster.worker("w1", cardThatEncodesTheNullText()));

      assertThat(run(cluster, "one").getReuse()).returns(2, Reuse::getEncoderRuns);
      assertThat(run(cluster, "two").getReuse())
          .returns(1, Reuse::getEncoderRuns)
          .returns(1, Reuse::getEmbeddingsReused);

      assertThat(worker.encodings).containsExactly("one", "", "two");
      assertThat(cluster.status().getEmbeddingCache().getPinnedBytes()).isEqualTo(8);
    }
  }

  @Test
  void shouldKeepPromptsWhenTheWorkerThatEncodedThemHasLeft() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker first = cluster.joined("w1");
      run(cluster, "one");
      first.leave();
      FakeWorker second = cluster.joined("w2");
      cluster.awaitStatus(status -> status.getWorkersCount() == 1);

      assertThat(run(cluster, "one").getReuse()).returns(0, Reuse::getEncoderRuns);
      assertThat(second.encodings).isEmpty();
    }
  }

  @Test
  void shouldKeepPromptsAcrossRestartsWhenAsked() throws Exception {
    EmbeddingCacheSettings kept = new EmbeddingCacheSettings(1 << 20, 1 << 20, null);
    try (TestCluster cluster = TestCluster.with(folder, kept)) {
      cluster.joined("w1");
      run(cluster, "one");
    }
    try (TestCluster cluster = TestCluster.with(folder, kept)) {
      FakeWorker worker = cluster.joined("w1");

      assertThat(run(cluster, "one").getReuse()).returns(0, Reuse::getEncoderRuns);
      assertThat(worker.encodings).isEmpty();
    }
  }

  @Test
  void shouldEncodeEveryPromptWhenTheCacheIsOff() throws Exception {
    EmbeddingCacheSettings off = new EmbeddingCacheSettings(0, 0, null);
    try (TestCluster cluster = TestCluster.with(folder, off)) {
      FakeWorker worker = cluster.joined("w1");
      run(cluster, "one");

      assertThat(run(cluster, "one").getReuse()).returns(1, Reuse::getEncoderRuns);
      assertThat(worker.encodings).containsExactly("one", "one");
    }
  }

  @Test
  void shouldLetPromptsWaitTheirTurnWhenManyComeAtOnce() throws Exception {
    try (TestCluster cluster = new TestCluster(folder.resolve("many"))) {
      FakeWorker worker = cluster.joined("w0");
      worker.encodingsReleased = new CountDownLatch(1);
      List<CompletableFuture<Job>> jobs = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        GenerationRequest.Builder request = GenerationRequest.newBuilder().setPrompt("circle " + i);
        jobs.add(
            CompletableFuture.supplyAsync(
                () -> cluster.submit(request), Thread::startVirtualThread));
      }
      for (int i = 0; i < 16; i++) {
        assertThat(worker.encodings.poll(30, TimeUnit.SECONDS)).isNotNull();
      }

      worker.encodingsReleased.countDown();

      for (CompletableFuture<Job> job : jobs) {
        assertThat(job.get(30, TimeUnit.SECONDS).getId()).isNotEmpty();
      }
    }
  }
}
