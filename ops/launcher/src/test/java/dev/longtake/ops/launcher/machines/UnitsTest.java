package dev.longtake.ops.launcher.machines;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.longtake.common.process.Build;
import dev.longtake.common.process.ServerJvm;
import dev.longtake.ops.launcher.doctor.HealthCommand;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** systemd's units and the compose file: whether what they start would understand them. */
final class UnitsTest {
  private static final String JAVA = "/opt/longtake/java/bin/java";
  private static final String PROGRAM = "-jar /opt/longtake/longtake.jar ";

  @TempDir Path folder;

  static Stream<Path> units() {
    return Repository.files(Repository.ROOT.resolve("ops/systemd")).stream()
        .filter(file -> file.toString().endsWith(".service"));
  }

  private static List<String> values(Path unit, String key) {
    return Repository.read(unit)
        .lines()
        .filter(line -> line.startsWith(key + "="))
        .map(line -> line.substring(key.length() + 1))
        .toList();
  }

  @ParameterizedTest
  @MethodSource("units")
  void shouldUnderstandItsOptionsWhenAUnitStarts(Path unit) throws IOException {
    String start = values(unit, "ExecStart").getFirst();
    List<String> arguments =
        new ArrayList<>(
            List.of(start.substring(start.indexOf(PROGRAM) + PROGRAM.length()).split(" ", -1)));
    Role role = Role.of(arguments.removeFirst());
    String file = arguments.get(arguments.indexOf("--config") + 1);
    assertThat(file).startsWith("/etc/longtake/");
    // Its file is the reference, which is in the repository.
    Path reference = Repository.ROOT.resolve("ops/config/" + Path.of(file).getFileName());
    arguments.set(arguments.indexOf(file), reference.toString());
    Map<String, String> environment = new HashMap<>();
    for (String variable : values(unit, "Environment")) {
      int equals = variable.indexOf('=');
      environment.put(variable.substring(0, equals), variable.substring(equals + 1));
    }
    if (role == Role.WORKER) {
      // What worker.yaml must say.
      environment.put("LONGTAKE_WORKER_MODEL", "/srv/model");
    }

    CommandSpec command = role.understand(arguments, environment);

    assertThat(start).startsWith(JAVA + " ");
    int stopSeconds = Integer.parseInt(values(unit, "TimeoutStopSec").getFirst());
    if (role == Role.WORKER) {
      assertThat(stopSeconds)
          .isGreaterThan(command.findOption("--drain-timeout").<Integer>getValue());
    }
  }

  @ParameterizedTest
  @MethodSource("units")
  void shouldBeTakenBySystemd(Path unit) throws IOException, InterruptedException {
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/systemd-analyze")), "systemd is not installed");
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    Path copy =
        Files.writeString(
            folder.resolve(unit.getFileName().toString().replace("@.", "@0.")),
            Repository.read(unit).replace(JAVA, java));

    Process analyze =
        new ProcessBuilder("systemd-analyze", "verify", "--man=no", copy.toString())
            .redirectErrorStream(true)
            .start();
    String said = new String(analyze.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

    assertThat(analyze.waitFor()).as(said).isZero();
    // Of other units of this host it may complain.
    assertThat(said).doesNotContain("longtake");
  }

  /** A worker that is started in another way must not be a larger one. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "longtake",
        "ops/systemd/longtake-worker@.service",
        "ops/compose/compose.yaml",
        "ops/kubernetes/base/worker.yaml"
      })
  void shouldHaveTheFlagsOfAWorkersJvmWhateverStartsOne(String file) {
    List<String> words = List.of(Repository.read(Repository.ROOT.resolve(file)).split("[\\s()]+"));

    assertThat(words).containsAll(ServerJvm.WORKER);
  }

  @Test
  void shouldUnderstandItsOptionsWhenComposeStarts() throws JsonProcessingException {
    JsonNode services =
        Manifests.YAML
            .readTree(Repository.read(Repository.ROOT.resolve("ops/compose/compose.yaml")))
            .path("services");
    for (String name : List.of("coordinator", "worker")) {
      JsonNode service = services.path(name);
      List<String> command = texts(service.path("command"));

      CommandSpec understood =
          Role.of(command.getFirst()).understand(command.subList(1, command.size()), Map.of());

      assertThat(understood.findOption("--host").<String>getValue()).isEqualTo("0.0.0.0");
      assertThat(service.path("image").asText()).isEqualTo("longtake:" + Build.version());
    }
    List<String> health = texts(services.path("coordinator").path("healthcheck").path("test"));
    assertThat(health.subList(0, 4))
        .containsExactly("CMD", "/opt/java/bin/java", "@/opt/longtake/java-options", "health");
    new CommandLine(new HealthCommand())
        .parseArgs(health.subList(4, health.size()).toArray(String[]::new));
  }

  private static List<String> texts(JsonNode list) {
    List<String> texts = new ArrayList<>();
    list.forEach(item -> texts.add(item.asText()));
    return texts;
  }
}
