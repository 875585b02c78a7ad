package dev.longtake.ops.launcher;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.JavaProcess;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class LocalClusterTest {
  private static final LocalCluster.Programs PRETEND =
      new LocalCluster.Programs(PretendServer.class.getName(), PretendServer.class.getName());

  private static final List<String> CPUS = List.of("cpu", "cpu", "cpu");

  private static long livingChildren() {
    return ProcessHandle.current().children().filter(ProcessHandle::isAlive).count();
  }

  @Test
  void shouldStartAllAndLeaveNothingWhenClosed() throws Exception {
    long before = livingChildren();
    LocalCluster cluster =
        LocalCluster.start(PRETEND, Path.of("/some/model"), CPUS, 0, List.of("--tls-ca", "x"));
    try (cluster) {
      assertThat(cluster.workers())
          .extracting(JavaProcess::name)
          .containsExactly("worker w1", "worker w2", "worker w3");
      assertThat(cluster.workers().get(1).logTail())
          .contains("temporary files in " + cluster.folder() + " |")
          .contains("--coordinator " + cluster.coordinatorAddress())
          .contains("--model /some/model --host 127.0.0.1 --port 0 --id w2 --threads ")
          .endsWith(" --device cpu --tls-ca x --exit-with-parent");
      assertThat(livingChildren()).isEqualTo(before + 4);
    }
    assertThat(livingChildren()).isEqualTo(before);
    assertThat(cluster.folder()).doesNotExist();
    assertThat(cluster.death()).isNotDone();
  }

  @Test
  void shouldNameTheProcessAndKeepItsLogWhenOneDies() throws Exception {
    Path folder;
    try (LocalCluster cluster =
        LocalCluster.start(PRETEND, Path.of("/some/model"), CPUS.subList(0, 2), 0, List.of())) {
      folder = cluster.folder();
      String address = cluster.workers().get(1).address();
      int port = Integer.parseInt(address.substring(address.indexOf(':') + 1));
      new Socket(InetAddress.getLoopbackAddress(), port).close();
      JavaProcess dead = cluster.death().get(60, SECONDS);
      assertThat(LocalCluster.deathOf(dead))
          .hasMessageStartingWith("worker w2 ended with exit status 3; its last log lines: ")
          .hasMessageContaining("| told to die (the whole log: " + dead.logFile());
    }
    assertThat(folder.resolve("w2.log")).exists();
    assertThat(livingChildren()).isZero();
    try (var files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(folder);
  }

  @Test
  void shouldLeaveNothingWhenAWorkerDoesNotStart() {
    long before = livingChildren();
    assertThatThrownBy(() ->
            LocalCluster.start(PRETEND, Path.of("/some/broken"), CPUS.subList(0, 2), 0, List.of()))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID_REQUEST))
        .hasMessageContaining(
            "worker w1 ended with exit status 2; its last log lines: Expected a model, but it is"
                + " broken");
    assertThat(livingChildren()).isEqualTo(before);
  }
}
