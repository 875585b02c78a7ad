package dev.longtake.ops.launcher;

import dev.longtake.client.cli.CancelCommand;
import dev.longtake.client.cli.ContinuationCommand;
import dev.longtake.client.cli.DownloadCommand;
import dev.longtake.client.cli.DrainCommand;
import dev.longtake.client.cli.GenerateCommand;
import dev.longtake.client.cli.JobsCommand;
import dev.longtake.client.cli.ShowCommand;
import dev.longtake.client.cli.StatusCommand;
import dev.longtake.client.cli.TraceCommand;
import dev.longtake.client.cli.WatchCommand;
import dev.longtake.client.cli.WorkersCommand;
import dev.longtake.common.process.Build;
import dev.longtake.common.process.Logs;
import dev.longtake.common.tls.CertsCommand;
import dev.longtake.coordinator.CoordinatorCommand;
import dev.longtake.coordinator.access.NewKeyCommand;
import dev.longtake.ops.bench.BenchCommand;
import dev.longtake.ops.bench.quality.CompareCommand;
import dev.longtake.ops.launcher.doctor.DoctorCommand;
import dev.longtake.ops.launcher.doctor.HealthCommand;
import dev.longtake.ops.launcher.plan.PlanCommand;
import dev.longtake.ops.model.MakeModelCommand;
import dev.longtake.worker.WorkerMain;
import dev.longtake.worker.conformance.ConformanceCommand;
import dev.longtake.worker.inspect.InspectCommand;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;

/** The {@code longtake} program. */
@Command(
    name = "longtake",
    mixinStandardHelpOptions = true,
    versionProvider = Longtake.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    description = "Generates video from text on a cluster of workers.",
    footer = {
      "",
      "Exit status: 0 done, 1 failed while running, 2 wrong usage, configuration or request, 130"
          + " interrupted.",
      "LONGTAKE_DEBUG=1 in the environment adds stack traces to errors."
    })
public final class Longtake {
  private Longtake() {}

  public static void main(String[] arguments) {
    Logs.configure();
    System.exit(commandLine(System.getenv("LONGTAKE_DEBUG") != null).execute(arguments));
  }

  /** The whole command tree; errors are one line on standard error. */
  static CommandLine commandLine(boolean isDebug) {
    var line = new CommandLine(new Longtake());
    commands().forEach(line::addSubcommand);
    line.setParameterExceptionHandler(Failures::reportUsage);
    line.setExecutionExceptionHandler(
        (failure, command, _) -> Failures.report(failure, command, isDebug));
    return line;
  }

  /** Every command, in the order of the help. */
  private static List<Object> commands() {
    return List.of(
        new DemoCommand(),
        new UpCommand(),
        new GenerateCommand(),
        new JobsCommand(),
        new ShowCommand(),
        new WatchCommand(),
        new DownloadCommand(),
        new CancelCommand(),
        new ContinuationCommand(),
        new TraceCommand(),
        new StatusCommand(),
        new WorkersCommand(),
        new DrainCommand(),
        new PlanCommand(),
        new CoordinatorCommand(),
        WorkerMain.command(),
        new DoctorCommand(),
        new HealthCommand(),
        new CertsCommand(),
        new NewKeyCommand(),
        new InspectCommand(),
        new ConformanceCommand(),
        new BenchCommand(),
        new CompareCommand(),
        new MakeModelCommand(),
        new CompletionCommand());
  }

  /** Of the build, with its Java. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"longtake %s (Java %s)".formatted(Build.version(), Runtime.version())};
    }
  }
}
