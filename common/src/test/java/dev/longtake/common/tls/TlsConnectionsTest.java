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
import io.netty.handler.ssl.OpenSsl;
import io.netty.handler.ssl.OpenSslContext;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
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
import picocli.CommandLine;

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
  void shouldUseBoringSslForGrpcWhereItIsThere() {
    String address = serve(worker);
    TlsIdentity tls = Objects.requireNonNull(worker);
    assertThat(List.of(tls.server(), tls.client()))
        .allMatch(context -> context instanceof OpenSslContext == OpenSsl.isAvailable());
    assertThat(check(Endpoints.connect(address, worker))).isEqualTo(ServingStatus.SERVING);
  }

  @Test
  void shouldShowTheNewCertificateWhenTheFilesWereReplaced(@TempDir Path own, @TempDir Path others)
      throws Exception {
    TlsFiles files = PrivateAuthority.create(own).issue("server");
    TlsFiles next = PrivateAuthority.create(others).issue("server");
    TlsIdentity before = TlsIdentity.read(files);
    TlsIdentity served = TlsIdentity.read(files);
    String address = serve(served);
    assertThat(check(Endpoints.connect(address, before))).isEqualTo(ServingStatus.SERVING);

    // Half of it: a key that does not belong to the certificate.
    replace(next.key(), files.key(), 1);
    assertThat(served.client()).as("as it was").isSameAs(served.client());
    replace(next.certificates(), files.certificates(), 2);
    replace(next.authorities(), files.authorities(), 3);

    TlsIdentity after = TlsIdentity.read(next);
    assertThat(check(Endpoints.connect(address, after))).isEqualTo(ServingStatus.SERVING);
    assertThat(check(Endpoints.connect(address, served))).isEqualTo(ServingStatus.SERVING);
  }

  /** The file's time of change is another one than any before, whatever the clock's steps are. */
  private static void replace(Path from, Path to, int seconds) throws IOException {
    Files.copy(from, to, StandardCopyOption.REPLACE_EXISTING);
    Files.setLastModifiedTime(to, FileTime.from(Instant.EPOCH.plusSeconds(seconds)));
  }

  @Test
  void shouldServeWithWhatTheCommandMakesAndMakesAgain(@TempDir Path own) throws Exception {
    CommandLine certs = new CommandLine(new CertsCommand());
    StringWriter out = new StringWriter();
    certs.setOut(new PrintWriter(out));
    Path made = own.resolve("certificates");

    assertThat(certs.execute(made.toString(), "--host", "node1,10.1.2.3")).isZero();
    TlsIdentity node1 = TlsIdentity.read(files(made, "node1"));
    assertThat(certs.execute(made.toString(), "--host", "node1")).as("of the same").isZero();

    for (String secret : List.of("node1.key", "10.1.2.3.key", "authority.p12")) {
      assertThat(Files.getPosixFilePermissions(made.resolve(secret)))
          .as(secret)
          .isEqualTo(PosixFilePermissions.fromString("rw-------"));
    }
    assertThat(out.toString().lines()).hasSize(3).allMatch(line -> line.contains(": --tls-cert "));
    String address = serve(node1);
    assertThat(check(Endpoints.connect(address, TlsIdentity.read(files(made, "10.1.2.3")))))
        .isEqualTo(ServingStatus.SERVING);
    assertThat(check(Endpoints.connect(address, TlsIdentity.read(files(made, "node1")))))
        .isEqualTo(ServingStatus.SERVING);
  }

  private static TlsFiles files(Path folder, String host) {
    return new TlsFiles(
        folder.resolve(host + ".crt"), folder.resolve(host + ".key"), folder.resolve("ca.crt"));
  }

  @Test
  void shouldServeCallersWithoutACertificateWhenTheyMayShowAnotherProof() throws Exception {
    Server started =
        Endpoints.serve(
            "127.0.0.1",
            0,
            callbacks,
            new HealthStatusManager(),
            List.of(),
            Objects.requireNonNull(worker).withOptionalCallers());
    server = started;
    var trustsUs =
        GrpcSslContexts.forClient().trustManager(folder.resolve("ca.crt").toFile()).build();
    String address = "127.0.0.1:" + started.getPort();

    assertThat(check(NettyChannelBuilder.forTarget(address).sslContext(trustsUs).build()))
        .isEqualTo(ServingStatus.SERVING);
    shouldBeRefused(Endpoints.connect(address, stranger), "TLS with it failed");
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
