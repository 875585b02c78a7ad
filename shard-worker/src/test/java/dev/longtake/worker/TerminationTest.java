package dev.longtake.worker;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.process.JavaProcess;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A worker process and the system's signals. */
final class TerminationTest {
  @TempDir Path folder = Path.of("");

  @Test
  void shouldEndWithStatus0WhenAnIdleWorkerIsTerminated() throws Exception {
    Path model = Path.of(System.getProperty("longtake.root", ".."), "ops/demo-model");
    Set<Long> before = children();
    try (JavaProcess worker =
        JavaProcess.start(
            "worker",
            WorkerMain.class.getName(),
            List.of("--model", model.toString(), "--threads", "1"),
            List.of(),
            folder.resolve("worker.log"),
            Duration.ofSeconds(60))) {
      ProcessHandle.current()
          .children()
          .filter(child -> !before.contains(child.pid()))
          .forEach(ProcessHandle::destroy);

      assertThat(worker.onExit().get(60, TimeUnit.SECONDS)).isZero();
    }
  }

  private static Set<Long> children() {
    return ProcessHandle.current().children().map(ProcessHandle::pid).collect(Collectors.toSet());
  }
}
