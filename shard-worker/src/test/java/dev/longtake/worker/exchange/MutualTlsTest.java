package dev.longtake.worker.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tls.PrivateAuthority;
import dev.longtake.common.tls.TlsIdentity;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The same with a certificate for both ends of every connection, and what happens when one end has none or a foreign one. */
final class MutualTlsTest extends GrpcExchangeTest {
  @TempDir private static Path folder;
  @TempDir private static Path elsewhere;
  private static @Nullable TlsIdentity worker;
  private static @Nullable TlsIdentity stranger;

  @BeforeAll
  static void issueCertificates() {
    worker = TlsIdentity.read(PrivateAuthority.create(folder).issue("worker"));
    stranger = TlsIdentity.read(PrivateAuthority.create(elsewhere).issue("stranger"));
  }

  @AfterAll
  static void forgetCertificates() {
    worker = null;
    stranger = null;
  }

  @Override
  TlsIdentity tls() {
    return Objects.requireNonNull(worker);
  }

  @Test
  void shouldNameThePeerAndTheReasonWhenOneSideHasNoCertificate() {
    assertThat(failures(tls(), null))
        .satisfiesExactly(
            mine -> assertThat(mine).hasMessageContaining("it speaks plain text, not TLS; start"),
            peers -> assertThat(peers).hasMessageContaining("it expects TLS, not plain text"));
  }

  @Test
  void shouldNameThePeerAndTheReasonWhenAuthoritiesAreNotTheSame() {
    assertThat(failures(tls(), stranger))
        .allSatisfy(
            failure -> assertThat(failure).hasMessageContaining("certificate must be signed"));
  }

  /** How both ranks fail whose identities are these. */
  private static List<LongtakeException> failures(@Nullable TlsIdentity... identities) {
    try (var workers = new LoopbackWorkers(Arrays.asList(identities), SETTINGS)) {
      try (GrpcGang first =
              workers.hub(0).open("j1", 1, 0, GangMember.at(workers.addresses()), 1, LONG);
          GrpcGang second =
              workers.hub(1).open("j1", 1, 1, GangMember.at(workers.addresses()), 1, LONG)) {
        List<LongtakeException> failures =
            List.of(
                failureOf(() -> receiveFrom(first.lane(0), 1, 100)),
                failureOf(() -> receiveFrom(second.lane(0), 0, 100)));
        for (int rank = 0; rank < 2; rank++) {
          assertThat(failures.get(rank).code()).isEqualTo(ErrorCode.PEER_LOST);
          assertThat(failures.get(rank))
              .hasMessageContaining("from rank %d at %s", 1 - rank, workers.address(1 - rank))
              .hasMessageContaining("it is not reachable: ");
        }
        return failures;
      }
    }
  }
}
