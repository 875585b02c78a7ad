package dev.longtake.worker.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.tls.PrivateAuthority;
import dev.longtake.common.tls.TlsIdentity;
import dev.longtake.v1.WorkerReport;
import io.grpc.Server;
import io.grpc.protobuf.services.HealthStatusManager;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A worker that can't agree with its coordinator on TLS says so at once, however long it may look for one. */
final class JoiningWithTlsTest {
  private static final MembershipSettings PATIENT =
      new MembershipSettings(Duration.ofHours(1), Duration.ofHours(1), Duration.ofHours(1));

  @TempDir Path folder;
  @TempDir Path elsewhere;

  @Test
  void shouldSayAtOnceWhatIsWrongWhenOnlyOneSideHasTls() throws Exception {
    TlsIdentity ours = TlsIdentity.read(PrivateAuthority.create(folder).issue("worker"));
    TlsIdentity other = TlsIdentity.read(PrivateAuthority.create(elsewhere).issue("stranger"));
    assertThat(failure(ours, null)).hasMessageContaining("but it expects TLS, not plain text");
    assertThat(failure(null, ours)).hasMessageContaining("but it speaks plain text, not TLS");
    assertThat(failure(ours, other)).hasMessageContaining("but TLS with it failed (Path does not");
  }

  private static LongtakeException failure(
      @Nullable TlsIdentity coordinator, @Nullable TlsIdentity worker) throws Exception {
    ExecutorService callbacks = Executors.newCachedThreadPool();
    Server server =
        Endpoints.serve(
            "127.0.0.1", 0, callbacks, new HealthStatusManager(), List.of(), coordinator);
    try {
      String address = "127.0.0.1:" + server.getPort();
      LongtakeException failure =
          catchThrowableOfType(
              LongtakeException.class,
              () ->
                  ClusterMembership.join(
                      List.of(address),
                      worker,
                      /* apiKey= */ "",
                      WorkerReport.getDefaultInstance(),
                      WorkerReport::getDefaultInstance,
                      PATIENT,
                      new Random(7)));
      assertThat(failure.code()).isEqualTo(ErrorCode.UNREACHABLE);
      assertThat(failure).hasMessageStartingWith("Expected a coordinator at " + address);
      return failure;
    } finally {
      assertThat(server.shutdownNow().awaitTermination(20, TimeUnit.SECONDS)).isTrue();
      callbacks.shutdown();
    }
  }
}
