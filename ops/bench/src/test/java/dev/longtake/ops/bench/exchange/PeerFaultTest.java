package dev.longtake.ops.bench.exchange;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Three real processes, of which one is killed or frozen while it sends. */
@EnabledOnOs({OS.LINUX, OS.MAC})
final class PeerFaultTest {
  private static final int CHUNK_BYTES = 64 << 10;
  private static final int POINT_BYTES = 1 << 20;
  private static final int PAIR_BYTES = 256 << 10;
  private static final int ENDLESS = 1_000_000_000;

  @TempDir private Path logs;
  private final ExecutorService commands = Executors.newCachedThreadPool();

  @AfterEach
  void stopCommands() {
    commands.shutdownNow();
  }

  @ParameterizedTest
  @CsvSource({"KILL, SHARED_MEMORY", "KILL, TLS", "STOP, SOCKETS"})
  void shouldNameThePeerAndServeTheNextJobWhenItGets(String signal, Transport transport)
      throws Exception {
    try (PeerGroup peers = PeerGroup.start(logs, 3, POINT_BYTES, CHUNK_BYTES)) {
      String job = peers.open(3, transport);
      allToAll(peers, job, 3);
      var sending = answer(peers.of(2), "send %s 0 %d %d".formatted(job, POINT_BYTES, ENDLESS));
      // Once a point has come, the sender is at a later one.
      var _ = peers.of(0).call("receive %s 2 %d 1".formatted(job, POINT_BYTES));
      var receiving =
          answer(peers.of(0), "receive %s 2 %d %d".formatted(job, POINT_BYTES, ENDLESS));
      var waiting = answer(peers.of(1), "receive %s 2 %d 1".formatted(job, POINT_BYTES));
      try {
        send(signal, peers.of(2).handle());
        for (Future<Throwable> end : List.of(receiving, waiting)) {
          assertThat(end.get(60, TimeUnit.SECONDS))
              .hasMessageContaining("from rank 2 at " + peers.of(2).exchangeAddress(transport))
              .hasMessageContaining("job " + job + ", attempt 1, step 1, benchmark")
              .hasMessageContaining(signal.equals("STOP") ? "no sign of life for 5.0 s" : "but it");
        }
        // The frozen one is still there, and holds what it held.
        allToAll(peers, peers.open(2, transport), 2);
      } finally {
        peers.of(2).handle().destroyForcibly();
      }
      assertThat(sending.get(60, TimeUnit.SECONDS)).isNotNull();
    }
  }

  @Tag("long")
  @ParameterizedTest
  @CsvSource({"KILL, SOCKETS", "STOP, SHARED_MEMORY"})
  void shouldNameThePeerByAnyTransportWhenItGets(String signal, Transport transport)
      throws Exception {
    shouldNameThePeerAndServeTheNextJobWhenItGets(signal, transport);
  }

  private static void allToAll(PeerGroup peers, String job, int ranks) {
    var _ = peers.together(Collections.nCopies(ranks, "all %s %d 1".formatted(job, PAIR_BYTES)));
  }

  /** How a command fails, in time. */
  private Future<Throwable> answer(PeerProcess peer, String command) {
    return commands.submit(() -> failure(peer, command));
  }

  private static Throwable failure(PeerProcess peer, String command) {
    return catchThrowable(() -> peer.call(command));
  }

  private static void send(String signal, ProcessHandle to) throws Exception {
    Process kill = new ProcessBuilder("kill", "-" + signal, Long.toString(to.pid())).start();
    assertThat(kill.waitFor()).isZero();
  }
}
