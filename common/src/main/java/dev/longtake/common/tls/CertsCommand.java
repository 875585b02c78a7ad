package dev.longtake.common.tls;

import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longtake certs}: a private authority, and certificates for the hosts of a cluster. */
@Command(
    name = "certs",
    mixinStandardHelpOptions = true,
    description = {
      "Makes a private authority in a folder, or uses the one that is there, and certificates for",
      "hosts, whose processes then have --tls-cert HOST.crt --tls-key HOST.key --tls-ca ca.crt.",
      "For first steps: who can read authority.p12 can make certificates for any host."
    },
    sortOptions = false)
public final class CertsCommand implements Callable<Integer> {
  private static final Pattern HOST = Pattern.compile("[A-Za-z0-9][A-Za-z0-9.:-]{0,252}");
  private static final int MAX_DAYS = 3650;

  @Parameters(paramLabel = "DIR", description = "Folder for the files; made when it is missing.")
  private Path folder = Path.of("");

  @Option(
      names = "--host",
      paramLabel = "HOST",
      split = ",",
      defaultValue = "localhost",
      description =
          "Names or addresses that others call these hosts by, with commas; each certificate is"
              + " good for loopback, too (default: ${DEFAULT-VALUE}).")
  private List<String> hosts = List.of();

  @Option(
      names = "--days",
      paramLabel = "N",
      defaultValue = "90",
      description =
          "How long certificates are valid; running processes take new files by themselves"
              + " (default: ${DEFAULT-VALUE}).")
  private int days;

  @Spec private CommandSpec spec = CommandSpec.create();

  @Override
  public Integer call() {
    if (days < 1 || days > MAX_DAYS) {
      throw LongtakeException.invalidField(
          "--days", "Expected --days of 1 to %d, but got %d".formatted(MAX_DAYS, days));
    }
    for (String host : hosts) {
      if (!HOST.matcher(host).matches() || host.equalsIgnoreCase(PrivateAuthority.NAME)) {
        throw LongtakeException.invalidField(
            "--host",
            "Expected --host to name hosts, with commas, none of them '%s', but got '%s'"
                .formatted(PrivateAuthority.NAME, host));
      }
    }
    makeFolder();
    PrivateAuthority authority = PrivateAuthority.in(folder, MAX_DAYS);
    PrintWriter out = spec.commandLine().getOut();
    for (String host : hosts) {
      out.println(host + ": " + String.join(" ", authority.issueFor(host, days).arguments()));
    }
    out.flush();
    return ExitCode.OK;
  }

  /** Only its owner may look into it. */
  private void makeFolder() {
    try {
      if (!Files.isDirectory(folder)) {
        Files.createDirectories(folder);
        if (Files.getFileStore(folder).supportsFileAttributeView(PosixFileAttributeView.class)) {
          Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx------"));
        }
      }
    } catch (IOException e) {
      throw LongtakeException.invalidField(
          "DIR", "Expected a folder for the files, but can't make '%s': %s".formatted(folder, e));
    }
  }
}
