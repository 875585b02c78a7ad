package dev.longtake.coordinator.access;

import dev.longtake.common.rpc.Bearer;
import java.io.PrintWriter;
import java.security.SecureRandom;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longtake new-key}: a key, and the entry that makes a coordinator know it. */
@Command(
    name = "new-key",
    mixinStandardHelpOptions = true,
    description =
        "Makes a key for a coordinator with --access: prints it on standard output, once, and the"
            + " entry for the coordinator's file on standard error.",
    sortOptions = false)
public final class NewKeyCommand implements Callable<Integer> {
  @Parameters(paramLabel = "NAME", description = "Whose key it is, for messages and logs.")
  private String name = "";

  @Option(
      names = "--role",
      paramLabel = "ROLE",
      defaultValue = "user",
      description = {
        "user (makes videos), operator (sees all jobs and workers) or worker (joins) (default:",
        "${DEFAULT-VALUE})."
      })
  private String role = "user";

  @Option(
      names = "--tenant",
      paramLabel = "TENANT",
      description = "Whose jobs a user makes and sees (default: NAME).")
  private @Nullable String tenant;

  @Spec private CommandSpec spec = CommandSpec.create();

  @Override
  public Integer call() {
    Role given;
    try {
      given = Role.valueOf(role.toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw new ParameterException(
          spec.commandLine(),
          "Expected --role to be user, operator or worker, but got '%s'".formatted(role),
          e);
    }
    String owner = tenant == null ? name : tenant;
    requireName("NAME", name);
    requireName("--tenant", owner);
    String secret = "lt_" + Bearer.newSecret(new SecureRandom());
    PrintWriter err = spec.commandLine().getErr();
    err.println("  - name: " + name);
    err.println("    role: " + given.name().toLowerCase(Locale.ROOT));
    if (given == Role.USER || tenant != null) {
      err.println("    tenant: " + owner);
    }
    err.println("    sha256: " + AccessKeys.digest(secret));
    spec.commandLine().getOut().println(secret);
    return ExitCode.OK;
  }

  private void requireName(String what, String value) {
    if (!AccessFile.NAME.matcher(value).matches()) {
      throw new ParameterException(
          spec.commandLine(),
          "Expected %s to be %s, but got '%s'".formatted(what, AccessFile.NAME_WORDS, value));
    }
  }
}
