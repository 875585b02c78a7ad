package dev.longtake.ops.bench.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.v1.GenerationRequest;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The short form of {@code longtake bench chaos}: each fault once. */
@Tag("long")
final class ChaosRunTest {
  @TempDir Path folder;

  @Test
  void shouldMakeTheSameVideoWhateverHappensToTheCluster() {
    GenerationRequest request =
        GenerationRequest.newBuilder()
            .setPrompt("a red circle moving right on a black background")
            .setSeed(7)
            .setSteps(30)
            .build();

    ChaosRun.Result result =
        new ChaosRun(Path.of("../demo-model"), folder, request)
            .run(
                /* workers= */ 2,
                /* warmUps= */ 1,
                Fault.values().length,
                /* seed= */ 3,
                System.out::println);

    assertThat(result.lost()).isZero();
    assertThat(result.different()).isZero();
    assertThat(result.runs()).hasSize(Fault.values().length);
    assertThat(result.runs()).anyMatch(run -> run.attempts() > 1);
  }
}
