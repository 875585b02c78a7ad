package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClient;
import picocli.CommandLine.Option;

/** Where the coordinator is, for picocli's {@code @Mixin}. */
final class CoordinatorOption {
  @Option(
      names = "--coordinator",
      paramLabel = "HOST:PORT",
      defaultValue = "127.0.0.1:7400",
      description = "Address of the coordinator (default: ${DEFAULT-VALUE}).")
  String address = "";

  LongtakeClient connect() {
    return LongtakeClient.builder().address(address).build();
  }
}
