package dev.longtake.ops.launcher;

import dev.longtake.client.LongtakeClientException;
import dev.longtake.client.cli.ExitCodes;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.PrintWriter;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/** How a command's failure looks to its user: one line and an exit status. */
final class Failures {
  private Failures() {}

  /** A wrong command line. */
  static int reportUsage(ParameterException failure, String[] ignoredArguments) {
    CommandLine command = failure.getCommandLine();
    print(
        command,
        "%s (see '%s --help')"
            .formatted(oneLine(failure), command.getCommandSpec().qualifiedName()));
    return ExitCodes.USAGE;
  }

  /** A failed command. */
  static int report(Exception failure, CommandLine command, boolean isDebug) {
    if (LocalCluster.isShuttingDown()) {
      // After Ctrl-C what fails is a consequence; the JVM ends with status 130 when its hooks are
      // through.
      awaitExit();
    }
    int status =
        switch (failure) {
          case LongtakeClientException e -> {
            print(command, oneLine(e));
            yield ExitCodes.of(e);
          }
          case LongtakeException e -> {
            print(command, oneLine(e));
            yield status(e.code());
          }
          default -> {
            print(
                command,
                "internal error, please report it (LONGTAKE_DEBUG=1 shows more): %s: %s"
                    .formatted(failure.getClass().getSimpleName(), oneLine(failure)));
            yield ExitCodes.FAILED;
          }
        };
    if (isDebug) {
      failure.printStackTrace(command.getErr());
    }
    return status;
  }

  private static int status(ErrorCode code) {
    return switch (code) {
      case INVALID_REQUEST,
          INVALID_MODEL,
          INVALID_CHECKPOINT,
          PORT_IN_USE,
          UNREACHABLE,
          UNAUTHENTICATED,
          PERMISSION_DENIED ->
          ExitCodes.USAGE;
      default -> ExitCodes.FAILED;
    };
  }

  private static void awaitExit() {
    try {
      new CountDownLatch(1).await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void print(CommandLine command, String message) {
    PrintWriter err = command.getErr();
    err.println("longtake: " + message);
    err.flush();
  }

  private static String oneLine(Throwable failure) {
    return String.valueOf(failure.getMessage()).strip().replaceAll("\\s*\\R\\s*", " ");
  }
}
