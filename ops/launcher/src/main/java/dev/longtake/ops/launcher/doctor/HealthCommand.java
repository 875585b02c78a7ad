package dev.longtake.ops.launcher.doctor;

import dev.longtake.client.cli.ExitCodes;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.common.tls.TlsFiles;
import dev.longtake.common.tls.TlsIdentity;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longtake health}: one question to the standard gRPC health service. */
@Command(
    name = "health",
    mixinStandardHelpOptions = true,
    description = {
      "Asks the coordinator or the worker of this host whether it serves, for probes that can't.",
      "It finds it by the same options: behind --, from --config, from the environment."
    },
    footer = {"", "Exit status: 0 it serves, 1 it doesn't or does not answer, 2 wrong usage."})
public final class HealthCommand implements Callable<Integer> {
  private static final int CALL_SECONDS = 5;

  @Spec private @Nullable CommandSpec spec;

  @Option(
      names = "--role",
      paramLabel = "ROLE",
      required = true,
      converter = Role.Converter.class,
      description = "Whom to ask: coordinator or worker.")
  private Role role = Role.COORDINATOR;

  @Option(
      names = "--service",
      paramLabel = "NAME",
      defaultValue = "",
      description =
          "Which of its services: longtake.v1.Generation, longtake.v1.Cluster or longtake.v1.Worker"
              + " (default: the process as a whole).")
  private String service = "";

  @Option(names = "--config", paramLabel = "FILE", description = "The role's configuration file.")
  private @Nullable Path config;

  @Parameters(
      paramLabel = "OPTION",
      description = "Options that the role's process has, behind --.")
  private List<String> options = List.of();

  @Override
  public Integer call() {
    RoleOptions given = RoleOptions.read(role, config, options);
    // Not what others call it by: that may lead to another one of several coordinators.
    String address = "%s:%d".formatted(given.ownHost(), given.require("--port", Integer.class));
    TlsFiles tls = given.tls();
    ManagedChannel channel = Endpoints.connect(address, tls == null ? null : TlsIdentity.read(tls));
    try {
      ServingStatus status =
          HealthGrpc.newBlockingStub(channel)
              .withDeadlineAfter(CALL_SECONDS, TimeUnit.SECONDS)
              .check(HealthCheckRequest.newBuilder().setService(service).build())
              .getStatus();
      PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
      out.println(status);
      out.flush();
      return status == ServingStatus.SERVING ? ExitCodes.OK : ExitCodes.FAILED;
    } catch (StatusRuntimeException e) {
      PrintWriter err = Objects.requireNonNull(spec).commandLine().getErr();
      err.println("longtake health: " + GrpcErrors.fromStatus(e, address).getMessage());
      err.flush();
      return ExitCodes.FAILED;
    } finally {
      channel.shutdownNow();
    }
  }
}
