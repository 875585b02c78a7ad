package dev.longtake.client;

import io.grpc.Status;
import io.grpc.netty.GrpcSslContexts;
import io.netty.handler.ssl.NotSslRecordException;
import io.netty.handler.ssl.SslContext;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/** Mutual TLS with a cluster: a client's own identity, and what can be wrong with it. */
final class ClientTls {
  /** HTTP/2's word for plain text where TLS is expected, as gRPC passes it on. */
  private static final String REFUSED = "INADEQUATE_SECURITY";

  private ClientTls() {}

  /**
   * Reads a client's certificate, its key, and the authorities that it trusts.
   *
   * @throws LongtakeClientException INVALID_REQUEST, naming the file that is missing or holds something else
   */
  static SslContext read(Path certificates, Path key, Path authorities) {
    for (Path file : List.of(certificates, key, authorities)) {
      if (!Files.isReadable(file) || Files.isDirectory(file)) {
        throw invalid("Expected a PEM file for TLS, but '%s' can't be read".formatted(file), null);
      }
    }
    try {
      return GrpcSslContexts.forClient()
          .keyManager(certificates.toFile(), key.toFile())
          .trustManager(authorities.toFile())
          .protocols("TLSv1.3")
          .build();
    } catch (SSLException | IllegalArgumentException e) {
      throw invalid(
          "Expected a certificate with its private key (PKCS#8) and authorities in PEM for TLS,"
              + " but: "
              + e.getMessage(),
          e);
    }
  }

  private static LongtakeClientException invalid(String message, @Nullable Throwable cause) {
    return new LongtakeClientException(
        LongtakeClientException.INVALID_REQUEST, "tls", message, cause);
  }

  /** Why client and server can't agree on TLS, said of the server; empty when a call failed for another reason. */
  static Optional<String> reason(Throwable failure) {
    String description = Status.fromThrowable(failure).getDescription();
    if (description != null && description.contains(REFUSED)) {
      return Optional.of("it expects TLS, and this client has no certificate");
    }
    for (Throwable t = failure; t != null; t = t.getCause()) {
      if (t instanceof NotSslRecordException) {
        return Optional.of("it speaks plain text, and this client TLS");
      }
      if (t instanceof SSLException) {
        return Optional.of("TLS with it failed: " + LongtakeClientException.innermostMessage(t));
      }
    }
    return Optional.empty();
  }
}
