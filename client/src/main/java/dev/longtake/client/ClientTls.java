package dev.longtake.client;

import io.grpc.Status;
import io.grpc.netty.GrpcSslContexts;
import io.netty.handler.ssl.NotSslRecordException;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/** TLS with a cluster: whom a client trusts, its own identity, and what can be wrong with them. */
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
    requireReadable(List.of(certificates, key, authorities));
    try {
      return build(
          GrpcSslContexts.forClient().keyManager(certificates.toFile(), key.toFile()), authorities);
    } catch (SSLException | IllegalArgumentException e) {
      throw invalid(
          "Expected a certificate with its private key (PKCS#8) and authorities in PEM for TLS,"
              + " but: "
              + e.getMessage(),
          e);
    }
  }

  /**
   * Reads the authorities that a client without a certificate trusts.
   *
   * @throws LongtakeClientException INVALID_REQUEST, naming the file when it is missing or holds something else
   */
  static SslContext read(Path authorities) {
    requireReadable(List.of(authorities));
    try {
      return build(GrpcSslContexts.forClient(), authorities);
    } catch (SSLException | IllegalArgumentException e) {
      throw invalid(
          "Expected certificates of authorities in PEM in '%s', but: %s"
              .formatted(authorities, e.getMessage()),
          e);
    }
  }

  private static SslContext build(SslContextBuilder context, Path authorities) throws SSLException {
    return context.trustManager(authorities.toFile()).protocols("TLSv1.3").build();
  }

  private static void requireReadable(List<Path> files) {
    for (Path file : files) {
      if (!Files.isReadable(file) || Files.isDirectory(file)) {
        throw invalid("Expected a PEM file for TLS, but '%s' can't be read".formatted(file), null);
      }
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
