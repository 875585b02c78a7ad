package dev.longtake.common.tls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.rpc.GrpcErrors;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Real servers and channels on loopback. */
final class TlsConnectionsTest {
  @TempDir private static Path folder;
  @TempDir private static Path elsewhere;
  private static @Nullable TlsIdentity worker;
  private static @Nullable TlsIdentity misnamed;
  private static @Nullable TlsIdentity stranger;

  private final ExecutorService callbacks = Executors.newCachedThreadPool();
  private @Nullable Server server;

  @BeforeAll
  static void issueCertificates() {
    PrivateAuthority authority = PrivateAuthority.create(folder);
    worker = TlsIdentity.read(authority.issue("worker"));
    misnamed = TlsIdentity.read(authority.issue("misnamed", "dns:elsewhere.example", "-0d"));
    stranger = TlsIdentity.read(PrivateAuthority.create(elsewhere).issue("stranger"));
  }

  @AfterAll
  static void forgetCertificates() {
    worker = null;
    misnamed = null;
    stranger = null;
  }

  @AfterEach
  void stop() throws InterruptedException {
    assertThat(Objects.requireNonNull(server).shutdownNow().awaitTermination(20, TimeUnit.SECONDS))
        .isTrue();
    callbacks.shutdown();
    assertThat(callbacks.awaitTermination(20, TimeUnit.SECONDS)).isTrue();
  }

  private String serve(@Nullable TlsIdentity tls) {
    Server started =
        Endpoints.serve("127.0.0.1", 0, callbacks, new HealthStatusManager(), List.of(), tls);
    server = started;
    return "127.0.0.1:" + started.getPort();
  }

  private static ServingStatus check(ManagedChannel channel) {
    try {
      return HealthGrpc.newBlockingStub(channel)
          .withDeadlineAfter(60, TimeUnit.SECONDS)
          .check(HealthCheckRequest.getDefaultInstance())
          .getStatus();
    } finally {
      channel.shutdownNow();
    }
  }

  private static void shouldBeRefused(ManagedChannel channel, String why) {
    StatusRuntimeException failure =
        catchThrowableOfType(StatusRuntimeException.class, () -> check(channel));
    LongtakeException meant = GrpcErrors.fromStatus(failure, "worker w1");
    assertThat(meant.code()).isEqualTo(ErrorCode.UNREACHABLE);
    assertThat(meant).hasMessageStartingWith("worker w1: ").hasMessageContaining(why);
    assertThat(meant.getMessage().lines()).hasSize(1);
  }

  @Test
  void shouldServeWhenBothSidesHaveCertificatesOfOneAuthority() {
    assertThat(check(Endpoints.connect(serve(worker), worker))).isEqualTo(ServingStatus.SERVING);
  }

  @Test
  void shouldServeByNameWhenTheCertificateHasIt() {
    String address = serve(worker).replace("127.0.0.1", "localhost");
    assertThat(check(Endpoints.connect(address, worker))).isEqualTo(ServingStatus.SERVING);
  }

  @Test
  void shouldRefusePlainTextWhenTheServerHasACertificate() {
    shouldBeRefused(
        Endpoints.connect(serve(worker)),
        "it expects TLS, not plain text; start both sides with --tls-cert, --tls-key and --tls-ca");
  }

  @Test
  void shouldRefuseServerWhenItSpeaksPlainText() {
    shouldBeRefused(Endpoints.connect(serve(null), worker), "it speaks plain text, not TLS");
  }

  @Test
  void shouldRefuseCallerWhenItHasNoCertificate() throws Exception {
    var trustsUs =
        GrpcSslContexts.forClient().trustManager(folder.resolve("ca.crt").toFile()).build();
    shouldBeRefused(
        NettyChannelBuilder.forTarget(serve(worker)).sslContext(trustsUs).build(),
        "it refused TLS with this side (");
  }

  @Test
  void shouldRefuseCallerWhenAnotherAuthoritySignedItsCertificate() throws Exception {
    var trustsUs =
        GrpcSslContexts.forClient()
            .keyManager(
                elsewhere.resolve("stranger.crt").toFile(),
                elsewhere.resolve("stranger.key").toFile())
            .trustManager(folder.resolve("ca.crt").toFile())
            .build();
    shouldBeRefused(
        NettyChannelBuilder.forTarget(serve(worker)).sslContext(trustsUs).build(),
        "it refused TLS with this side (");
  }

  @Test
  void shouldRefuseServerWhenAnotherAuthoritySignedItsCertificate() {
    shouldBeRefused(
        Endpoints.connect(serve(stranger), worker),
        "TLS with it failed (Path does not chain with any of the trust anchors); each side's");
  }

  @Test
  void shouldRefuseServerWhenItsCertificateNamesAnotherHost() {
    shouldBeRefused(
        Endpoints.connect(serve(misnamed), worker),
        "No subject alternative names matching IP address 127.0.0.1 found");
  }
}
