package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClient;
import dev.longtake.client.LongtakeClientException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** Where the coordinator is and how it is called, for picocli's {@code @Mixin}. */
public final class CoordinatorOption {
  @Option(
      names = "--coordinator",
      paramLabel = "HOST:PORT",
      split = ",",
      defaultValue = "127.0.0.1:7400",
      description =
          "Address of the coordinator; of several, all of them with commas (default:"
              + " ${DEFAULT-VALUE}).")
  private List<String> addresses = List.of();

  @ArgGroup(exclusive = false)
  private @Nullable Tls tls;

  /** All or nothing, which picocli sees to. */
  static final class Tls {
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

    @Option(
        names = "--tls-ca",
        paramLabel = "FILE",
        required = true,
        description = "Certificates in PEM of the cluster's authorities.")
    Path authorities = Path.of("");
  }

  /**
   * A client, which the caller closes.
   *
   * @throws LongtakeClientException INVALID_REQUEST when an address or a file is wrong
   */
  public LongtakeClient connect() {
    LongtakeClient.Builder client = LongtakeClient.builder().addresses(addresses);
    Tls files = tls;
    return (files == null ? client : client.tls(files.certificates, files.key, files.authorities))
        .build();
  }
}
