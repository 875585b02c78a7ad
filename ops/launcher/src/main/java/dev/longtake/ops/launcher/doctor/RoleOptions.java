package dev.longtake.ops.launcher.doctor;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tls.TlsFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.CommandSpec;

/** The options that a role's process would have on this host: read by its own command, from flags, environment, file and defaults. */
final class RoleOptions {
  private final CommandSpec command;

  private RoleOptions(CommandSpec command) {
    this.command = command;
  }

  /**
   * Reads them; required ones may be missing.
   *
   * @param config the role's file; null for none but what the environment names
   * @param flags as the role's command takes them
   * @throws LongtakeException INVALID_REQUEST when one is wrong
   */
  static RoleOptions read(Role role, @Nullable Path config, List<String> flags) {
    List<String> arguments = new ArrayList<>();
    if (config != null) {
      arguments.addAll(List.of("--config", config.toString()));
    }
    arguments.addAll(flags);
    CommandLine line = role.command();
    CommandSpec command = line.getCommandSpec();
    // So that what is missing does not hide the rest.
    command.parser().collectErrors(true);
    for (Exception error : line.parseArgs(arguments.toArray(String[]::new)).errors()) {
      if (!(error instanceof MissingParameterException)) {
        throw LongtakeException.invalidField(
            role.toString(), "%s: %s".formatted(role, error.getMessage()));
      }
    }
    return new RoleOptions(command);
  }

  /** An option's value; null where it has none. */
  <T> @Nullable T get(String option, Class<T> type) {
    return type.cast(command.findOption(option).<@Nullable Object>getValue());
  }

  /** The value of an option that always has one. */
  <T> T require(String option, Class<T> type) {
    T value = get(option, type);
    if (value == null) {
      throw new IllegalStateException("Expected %s to have a default".formatted(option));
    }
    return value;
  }

  /** The coordinators that a worker would join. */
  List<String> coordinators() {
    List<?> addresses = require("--coordinator", List.class);
    return addresses.stream().map(String::valueOf).toList();
  }

  /** What others call the process by; empty when that is decided when it starts. */
  String calledHost() {
    String advertised = get("--advertise", String.class);
    return advertised == null ? oneHost() : advertised;
  }

  /** What the process is called by on its own host; its certificate must have that name, too. */
  String ownHost() {
    String host = oneHost();
    return host.isEmpty() ? "localhost" : host;
  }

  /** What it listens on; empty: on all interfaces. */
  private String oneHost() {
    String host = require("--host", String.class);
    return host.equals("0.0.0.0") || host.equals("::") ? "" : host;
  }

  /**
   * Where its identity is; null for plain text.
   *
   * @throws LongtakeException INVALID_REQUEST when some files are given and others not
   */
  @Nullable TlsFiles tls() {
    Path certificates = get("--tls-cert", Path.class);
    Path key = get("--tls-key", Path.class);
    Path authorities = get("--tls-ca", Path.class);
    if (certificates == null && key == null && authorities == null) {
      return null;
    }
    if (certificates == null || key == null || authorities == null) {
      throw LongtakeException.invalidField(
          "--tls-cert",
          "Expected all of --tls-cert, --tls-key and --tls-ca, or none, but only some are given");
    }
    return new TlsFiles(certificates, key, authorities);
  }
}
