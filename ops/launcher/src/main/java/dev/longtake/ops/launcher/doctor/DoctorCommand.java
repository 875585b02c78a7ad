package dev.longtake.ops.launcher.doctor;

import com.google.gson.GsonBuilder;
import com.google.gson.JsonPrimitive;
import com.google.gson.JsonSerializer;
import dev.longtake.client.LongtakeClient;
import dev.longtake.client.LongtakeClientException;
import dev.longtake.client.cli.ExitCodes;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.ApiKeyOption;
import dev.longtake.common.tls.TlsFiles;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longtake doctor}. */
@Command(
    name = "doctor",
    mixinStandardHelpOptions = true,
    description = {
      "Checks whether this host can run a coordinator or a worker, and says what to do.",
      "It reads their options as they do: behind --, from --config, from the environment."
    },
    footer = {
      "",
      "For example: longtake doctor --role worker -- --model DIR --coordinator node1:7400",
      "",
      "Exit status: 0 nothing failed, 1 a check failed, 2 wrong usage or configuration."
    })
public final class DoctorCommand implements Callable<Integer> {
  private static final Duration CALL_TIMEOUT = Duration.ofSeconds(10);
  private static final Duration PATIENCE = Duration.ofSeconds(2);

  private static final JsonSerializer<Finding.Outcome> OUTCOMES =
      (outcome, _, _) -> new JsonPrimitive(outcome.toString());

  @Spec private @Nullable CommandSpec spec;

  @Option(
      names = "--role",
      paramLabel = "ROLE",
      converter = Role.Converter.class,
      description = "What runs here: coordinator or worker (default: both).")
  private @Nullable Role role;

  @Option(names = "--config", paramLabel = "FILE", description = "The role's configuration file.")
  private @Nullable Path config;

  @Option(
      names = "--coordinator",
      paramLabel = "HOST:PORT",
      split = ",",
      description =
          "A running coordinator to compare with (default: the one that the worker would join).")
  private List<String> coordinators = List.of();

  @Mixin private ApiKeyOption apiKey = new ApiKeyOption();

  @Option(names = "--json", description = "Print the findings as JSON.")
  private boolean isJson;

  @Parameters(
      paramLabel = "OPTION",
      description = "Options that the role's process would have, behind --.")
  private List<String> options = List.of();

  @Override
  public Integer call() {
    List<Finding> findings = findings(roles());
    PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
    out.print(isJson ? json(findings) : DoctorReport.text(findings));
    out.flush();
    return findings.stream().anyMatch(finding -> finding.outcome() == Finding.Outcome.FAILED)
        ? ExitCodes.FAILED
        : ExitCodes.OK;
  }

  private static String json(List<Finding> findings) {
    return new GsonBuilder()
            .setPrettyPrinting()
            .disableHtmlEscaping()
            .registerTypeAdapter(Finding.Outcome.class, OUTCOMES)
            .create()
            .toJson(findings)
        + "\n";
  }

  private List<Role> roles() {
    if (role != null) {
      return List.of(role);
    }
    if (config != null || !options.isEmpty()) {
      throw LongtakeException.invalidField(
          "--role",
          "Expected --role coordinator or --role worker beside --config and options, which are of"
              + " one of them, but --role is missing");
    }
    return List.of(Role.values());
  }

  private List<Finding> findings(List<Role> roles) {
    List<Finding> findings = new ArrayList<>(HostChecks.common());
    for (Role each : roles) {
      RoleOptions given = RoleOptions.read(each, config, options);
      List<Finding> ofRole =
          switch (each) {
            case COORDINATOR -> coordinator(given);
            case WORKER -> worker(given);
          };
      ofRole.forEach(finding -> findings.add(roles.size() > 1 ? finding.of(each) : finding));
    }
    return findings;
  }

  private List<Finding> coordinator(RoleOptions given) {
    List<Finding> findings = new ArrayList<>(ports(Role.COORDINATOR, given));
    findings.add(FolderCheck.of(given.require("--data", Path.class)));
    findings.add(DatabaseCheck.of(given.get("--database", String.class)));
    findings.add(CertificateCheck.of(given, InstantSource.system()));
    if (!coordinators.isEmpty()) {
      findings.addAll(cluster(coordinators, given));
    }
    return findings;
  }

  private List<Finding> worker(RoleOptions given) {
    List<Finding> findings = new ArrayList<>(HostChecks.ofWorker(given));
    findings.add(GpuCheck.of(given.require("--device", String.class)));
    findings.add(ModelCheck.of(given.get("--model", Path.class)));
    findings.addAll(ports(Role.WORKER, given));
    findings.add(CertificateCheck.of(given, InstantSource.system()));
    List<String> addresses = coordinators.isEmpty() ? given.coordinators() : coordinators;
    if (addresses.isEmpty()) {
      findings.add(Finding.skipped("coordinator", "none is given; --coordinator says where it is"));
    } else {
      findings.addAll(cluster(addresses, given));
    }
    return findings;
  }

  private static List<Finding> ports(Role role, RoleOptions given) {
    List<Finding> findings = new ArrayList<>();
    findings.add(
        PortCheck.of(
            role,
            "port",
            given.require("--host", String.class),
            given.require("--port", Integer.class)));
    if (role == Role.COORDINATOR) {
      findings.addAll(portIfAny(role, given, "http"));
    }
    findings.addAll(portIfAny(role, given, "metrics"));
    return findings;
  }

  /** One that is listened on if it is given, at the process's own host unless another is given. */
  private static List<Finding> portIfAny(Role role, RoleOptions given, String what) {
    Integer port = given.get("--%s-port".formatted(what), Integer.class);
    if (port == null) {
      return List.of();
    }
    String host = given.get("--%s-host".formatted(what), String.class);
    return List.of(
        PortCheck.of(
            role,
            what + "-port",
            host == null ? given.require("--host", String.class) : host,
            port));
  }

  private List<Finding> cluster(List<String> addresses, RoleOptions given) {
    LongtakeClient.Builder builder =
        LongtakeClient.builder()
            .addresses(addresses)
            .callTimeout(CALL_TIMEOUT)
            .reconnectTimeout(PATIENCE);
    String key = apiKey.key();
    if (!key.isEmpty()) {
      builder.apiKey(key);
    }
    try {
      TlsFiles tls = given.tls();
      if (tls != null) {
        builder.tls(tls.certificates(), tls.key(), tls.authorities());
      }
    } catch (LongtakeException | LongtakeClientException e) {
      // Said by the check of the certificate.
      return List.of(Finding.skipped("coordinator", "not asked without a certificate"));
    }
    try (LongtakeClient client = builder.build()) {
      return new ClusterChecks(client, InstantSource.system()).run();
    }
  }
}
