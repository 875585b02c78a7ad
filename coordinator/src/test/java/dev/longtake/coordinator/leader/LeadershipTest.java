package dev.longtake.coordinator.leader;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.coordinator.database.Postgresql;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class LeadershipTest {
  private static final Duration LENGTH = Duration.ofSeconds(2);
  private static final Duration LONG = Duration.ofMinutes(1);
  private static final long DEADLINE_SECONDS = 60;

  @TempDir Path folder;
  private int port;
  private EmbeddedPostgres server;

  @BeforeEach
  void startServer() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = socket.getLocalPort();
    }
    restartServer();
  }

  private void restartServer() throws IOException {
    server =
        EmbeddedPostgres.builder()
            .setPort(port)
            .setDataDirectory(folder.resolve("postgresql"))
            .setCleanDataDirectory(false)
            .setOverrideWorkingDirectory(folder.toFile())
            .start();
  }

  @AfterEach
  void stopServer() throws IOException {
    server.close();
  }

  private Leadership leadership(
      String address, Duration length, LongSupplier nanoTime, Leadership.Office office) {
    String url = server.getJdbcUrl("postgres", "postgres");
    return new Leadership(
        Postgresql.open(url, length).leases(), address, address, length, nanoTime, office);
  }

  private Leadership leadership(String address, Duration length, Leadership.Office office) {
    return leadership(address, length, System::nanoTime, office);
  }

  /** Remembers what it is told. */
  private static final class Witness implements Leadership.Office {
    final BlockingQueue<Lease> taken = new LinkedBlockingQueue<>();
    final BlockingQueue<Boolean> leftWhileHeld = new LinkedBlockingQueue<>();

    @Override
    public void take(Lease lease) {
      taken.add(lease);
    }

    @Override
    public void leave(Lease lease) {
      leftWhileHeld.add(lease.isHeld());
    }
  }

  private static <T> T next(BlockingQueue<T> queue) throws InterruptedException {
    T next = queue.poll(DEADLINE_SECONDS, TimeUnit.SECONDS);
    assertThat(next).as("within %d s", DEADLINE_SECONDS).isNotNull();
    return next;
  }

  @Test
  void shouldLeadAfterTheOtherWhenThatIsClosed() throws Exception {
    Witness first = new Witness();
    Witness second = new Witness();
    Leadership one = leadership("a:1", LENGTH, first);
    try (Leadership two = leadership("b:2", LENGTH, second)) {
      one.start();
      assertThat(first.taken).as("at once").hasSize(1);
      two.start();
      assertThat(second.taken).isEmpty();
      assertThat(two.leaderAddress()).hasValue("a:1");

      one.close();

      assertThat(next(first.leftWhileHeld)).as("in order").isTrue();
      assertThat(next(second.taken).epoch()).isEqualTo(2);
      assertThat(two.leaderAddress()).hasValue("b:2");
      assertThat(next(first.taken).isHeld()).isFalse();
    }
    assertThat(next(second.leftWhileHeld)).isTrue();
  }

  @Test
  void shouldEndBeforeTheDatabasesLeaseWhenItIsNotRenewed() {
    AtomicLong nanos = new AtomicLong(-7);
    Witness office = new Witness();
    try (Leadership leadership = leadership("a:1", LONG, nanos::get, office)) {
      leadership.start();
      Lease lease = office.taken.remove();

      nanos.addAndGet(Duration.ofSeconds(50).toNanos() - 1);
      assertThat(lease.isHeld()).isTrue();
      nanos.addAndGet(1);
      assertThat(lease.isHeld()).as("after five sixths").isFalse();
      nanos.set(-7);
      assertThat(lease.isHeld()).as("ever again").isFalse();
    }
  }

  @Test
  void shouldStandByAndLeadAgainWhenTheDatabaseIsGoneForAWhile() throws Exception {
    Witness office = new Witness();
    try (Leadership leadership = leadership("a:1", LENGTH, office)) {
      leadership.start();
      assertThat(next(office.taken).epoch()).isEqualTo(1);

      server.close();
      assertThat(next(office.leftWhileHeld)).isFalse();
      restartServer();

      Lease again = next(office.taken);
      assertThat(again.epoch()).isEqualTo(2);
      assertThat(again.isHeld()).isTrue();
    }
  }

  @Test
  void shouldGiveTheLeaseBackWhenItCannotLead() throws Exception {
    Witness second = new Witness();
    Leadership.Office broken =
        new Leadership.Office() {
          @Override
          public void take(Lease lease) {
            throw new IllegalStateException("no jobs");
          }

          @Override
          public void leave(Lease lease) {
            throw new AssertionError("It was never taken");
          }
        };
    Leadership one = leadership("a:1", LONG, broken);
    assertThatThrownBy(one::start).hasMessage("no jobs");
    try (Leadership two = leadership("b:2", LONG, second)) {
      two.start();
      assertThat(second.taken).as("at once").hasSize(1);
    }
  }
}
