package dev.longtake.coordinator.web;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tls.PrivateAuthority;
import dev.longtake.common.tls.TlsFiles;
import dev.longtake.common.tls.TlsIdentity;
import dev.longtake.coordinator.api.LeaderGate;
import dev.longtake.coordinator.web.http.HttpLimits;
import io.grpc.protobuf.services.HealthStatusManager;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A server before services that nobody has opened, as those of a standby are. */
final class WebServerTest {
  @TempDir Path folder;
  @TempDir Path elsewhere;
  private final ExecutorService calls = Executors.newVirtualThreadPerTaskExecutor();

  @AfterEach
  void stop() {
    calls.shutdownNow();
  }

  private WebServer start(int port, @Nullable TlsIdentity tls) {
    return WebServer.start(
        new HttpConfig("127.0.0.1", port, HttpLimits.of(HttpLimits.DEFAULT_REQUESTS_PER_ADDRESS)),
        tls,
        /* name= */ null,
        new SharedServices(
            new LeaderGate(() -> Optional.of("10.0.0.1:7400")).services(),
            new HealthStatusManager(),
            List.of(),
            calls),
        new SimpleMeterRegistry());
  }

  private static HttpResponse<String> get(URI uri, HttpClient client) throws Exception {
    return client.send(HttpRequest.newBuilder(uri).build(), BodyHandlers.ofString());
  }

  /** Asks over a connection of its own. */
  private static HttpResponse<String> health(WebServer server, SSLContext tls) throws Exception {
    try (HttpClient client = HttpClient.newBuilder().sslContext(tls).build()) {
      return get(URI.create(server.url()).resolve("/healthz"), client);
    }
  }

  @Test
  void shouldNameTheLeaderWhenItDoesNotLead() throws Exception {
    try (WebServer server = start(0, /* tls= */ null);
        HttpClient client = HttpClient.newHttpClient()) {
      var answer = get(URI.create(server.url()).resolve("/api/Generation/List"), client);

      JsonObject error =
          JsonParser.parseString(answer.body()).getAsJsonObject().getAsJsonObject("error");
      assertThat(answer.statusCode()).isEqualTo(503);
      assertThat(error.get("reason").getAsString()).isEqualTo("NOT_LEADER");
      assertThat(error.getAsJsonObject("metadata").get("leader").getAsString())
          .isEqualTo("10.0.0.1:7400");
    }
  }

  @Test
  void shouldSayWhoseThePortIsWhenItIsTaken() throws Exception {
    try (WebServer server = start(0, /* tls= */ null)) {
      int port = URI.create(server.url()).getPort();

      assertThatThrownBy(() -> start(port, /* tls= */ null))
          .isInstanceOfSatisfying(
              LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PORT_IN_USE))
          .hasMessageContaining(
              "Expected port %d of 127.0.0.1 to be free for HTTP".formatted(port));
    }
  }

  @Test
  void shouldAskForACertificateAsTheOtherPortDoes() throws Exception {
    PrivateAuthority authority = PrivateAuthority.create(folder);
    TlsFiles files = authority.issue("server");
    TlsIdentity identity = TlsIdentity.read(files);
    SSLContext stranger = trusting(files);
    try (WebServer mutual = start(0, identity);
        WebServer keyed = start(0, identity.withOptionalCallers())) {
      assertThat(mutual.url()).startsWith("https://");
      assertThat(health(mutual, identity.httpsContext()).statusCode()).isEqualTo(200);
      assertThatThrownBy(() -> health(mutual, stranger)).isInstanceOf(IOException.class);
      assertThat(health(keyed, stranger).statusCode()).isEqualTo(200);
    }
  }

  @Test
  void shouldShowTheNewCertificateWhenTheFilesChange() throws Exception {
    TlsFiles files = PrivateAuthority.create(folder).issue("server");
    TlsFiles other = PrivateAuthority.create(elsewhere).issue("server");
    TlsIdentity identity = TlsIdentity.read(files).withOptionalCallers();
    SSLContext old = trusting(files);
    try (WebServer server = start(0, identity)) {
      assertThat(health(server, old).statusCode()).isEqualTo(200);

      replace(files.certificates(), other.certificates());
      replace(files.key(), other.key());
      replace(files.authorities(), other.authorities());

      assertThat(health(server, trusting(other)).statusCode()).isEqualTo(200);
      assertThatThrownBy(() -> health(server, old)).isInstanceOf(SSLException.class);
    }
  }

  private static void replace(Path file, Path with) throws IOException {
    Files.copy(with, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.COPY_ATTRIBUTES);
  }

  /** A caller that trusts the authority and has no certificate. */
  private static SSLContext trusting(TlsFiles files) throws Exception {
    var store = java.security.KeyStore.getInstance("PKCS12");
    store.load(null, null);
    try (var in = Files.newInputStream(files.authorities())) {
      store.setCertificateEntry(
          "authority",
          java.security.cert.CertificateFactory.getInstance("X.509").generateCertificate(in));
    }
    var trust =
        javax.net.ssl.TrustManagerFactory.getInstance(
            javax.net.ssl.TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLSv1.3");
    context.init(null, trust.getTrustManagers(), null);
    return context;
  }
}
