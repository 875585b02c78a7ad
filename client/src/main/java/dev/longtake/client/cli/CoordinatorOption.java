package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClient;
import dev.longtake.client.LongtakeClientException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** Where the coordinator is and how it is called, for picocli's {@code @Mixin}. */
public final class CoordinatorOption {
  private static final String VARIABLE = "LONGTAKE_API_KEY";

  @Option(
      names = "--coordinator",
      paramLabel = "HOST:PORT",
      split = ",",
      defaultValue = "127.0.0.1:7400",
      description =
          "Address of the coordinator; of several, all of them with commas (default:"
              + " ${DEFAULT-VALUE}).")
  private List<String> addresses = List.of();

  @Option(
      names = "--tls-ca",
      paramLabel = "FILE",
      description = "Certificates in PEM of the cluster's authorities, for a cluster with TLS.")
  private @Nullable Path authorities;

  @ArgGroup(exclusive = false)
  private @Nullable Certificate own;

  @Option(
      names = "--api-key-file",
      paramLabel = "FILE",
      description =
          "File with the key to show to the coordinator (default: what " + VARIABLE + " holds).")
  private @Nullable Path apiKeyFile;

  /** Both or none, which picocli sees to. */
  static final class Certificate {
    @Option(
        names = "--tls-cert",
        paramLabel = "FILE",
        required = true,
        description = "Certificate of this client in PEM, for a cluster with mutual TLS.")
    Path certificates = Path.of("");

    @Option(
        names = "--tls-key",
        paramLabel = "FILE",
        required = true,
        description = "The certificate's private key in PEM (PKCS#8).")
    Path key = Path.of("");
  }

  /**
   * A client, which the caller closes.
   *
   * @throws LongtakeClientException INVALID_REQUEST when an address or a file is wrong
   */
  public LongtakeClient connect() {
    LongtakeClient.Builder client = LongtakeClient.builder().addresses(addresses);
    Path trusted = authorities;
    Certificate certificate = own;
    if (trusted != null && certificate != null) {
      client.tls(certificate.certificates, certificate.key, trusted);
    } else if (trusted != null) {
      client.tls(trusted);
    } else if (certificate != null) {
      throw new LongtakeClientException(
          LongtakeClientException.INVALID_REQUEST,
          "Expected --tls-ca beside --tls-cert and --tls-key, but it is missing");
    }
    apiKey().ifPresent(client::apiKey);
    return client.build();
  }

  /** A file without a key is an error, a variable without one is none. */
  private Optional<String> apiKey() {
    Path file = apiKeyFile;
    if (file == null) {
      return Optional.ofNullable(System.getenv(VARIABLE))
          .map(String::strip)
          .filter(key -> !key.isEmpty());
    }
    try {
      return Optional.of(Files.readString(file).strip());
    } catch (IOException e) {
      throw new LongtakeClientException(
          LongtakeClientException.LOCAL_FILE,
          "Cannot read %s: %s".formatted(file, Commands.reason(e)));
    }
  }
}
