package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Runs the script at the root in a pretended repository, with pretended JDKs and a pretended Maven. */
@EnabledOnOs({OS.LINUX, OS.MAC})
class LauncherScriptTest {
  private static final List<String> TOOLS =
      List.of(
          "bash",
          "cat",
          "chmod",
          "dirname",
          "env",
          "find",
          "flock",
          "head",
          "mkdir",
          "mv",
          "readlink",
          "rm",
          "sed",
          "sleep",
          "touch",
          "tput");

  @TempDir Path temp;

  private Path root;
  private Path tools;
  private Path source;

  private record Result(int status, String out, String err) {}

  @BeforeEach
  void pretend() throws IOException {
    root = Files.createDirectories(temp.resolve("re po"));
    tools = Files.createDirectories(temp.resolve("tools"));
    Path script = Path.of("").toAbsolutePath().resolve("../../longtake").normalize();
    Files.copy(script, root.resolve("longtake"), java.nio.file.StandardCopyOption.COPY_ATTRIBUTES);
    for (String tool : TOOLS) {
      for (String folder : List.of("/bin", "/usr/bin")) {
        if (Files.exists(Path.of(folder, tool)) && !Files.exists(tools.resolve(tool))) {
          Files.createSymbolicLink(tools.resolve(tool), Path.of(folder, tool));
        }
      }
    }
    org.junit.jupiter.api.Assumptions.assumeTrue(Files.exists(tools.resolve("bash")));
    source = root.resolve("common/src/main/java/A.java");
    Files.createDirectories(source.getParent());
    Files.writeString(source, "class A {}");
    Files.writeString(root.resolve("pom.xml"), "<project/>");
    past(source);
    past(root.resolve("pom.xml"));
    try (var folders = Files.walk(root.resolve("common"))) {
      folders.forEach(LauncherScriptTest::past);
    }
  }

  private static void past(Path file) {
    try {
      Files.setLastModifiedTime(file, FileTime.from(Instant.parse("2020-01-01T00:00:00Z")));
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private void jar() throws IOException {
    Path folder = Files.createDirectories(root.resolve("ops/launcher/target/longtake"));
    Files.writeString(folder.resolve("longtake.jar"), "");
  }

  /** A JDK whose java prints its version and its arguments, one a line. */
  private Path jdk(String name, String version) throws IOException {
    Path home = temp.resolve(name);
    executable(
        home.resolve("bin/java"),
        "printf '%s\\n' \"java " + version + "\" \"OMP=$OMP_NUM_THREADS\" \"$@\"");
    executable(home.resolve("bin/javac"), "exit 1");
    Files.writeString(
        home.resolve("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"" + version + "\"\n");
    return home;
  }

  private static void executable(Path file, String commands) throws IOException {
    Files.createDirectories(file.getParent());
    Files.writeString(file, "#!/usr/bin/env bash\n" + commands + "\n");
    assertThat(file.toFile().setExecutable(true)).isTrue();
  }

  /** A Maven that writes down its call and makes the jar. */
  private void maven() throws IOException {
    executable(
        tools.resolve("mvn"),
        """
        echo "mvn JAVA_HOME=$JAVA_HOME $*" >>calls
        mkdir -p ops/launcher/target/longtake
        touch ops/launcher/target/longtake/longtake.jar\
        """);
  }

  private Result run(Map<String, String> environment, String... arguments)
      throws IOException, InterruptedException {
    return run(root.resolve("longtake"), environment, arguments);
  }

  private Result run(Path script, Map<String, String> environment, String... arguments)
      throws IOException, InterruptedException {
    return result(start(script, environment, arguments));
  }

  private Process start(Path script, Map<String, String> environment, String... arguments)
      throws IOException {
    var command = new ArrayList<String>(List.of(script.toString()));
    command.addAll(List.of(arguments));
    var builder = new ProcessBuilder(command).directory(temp.toFile());
    builder.environment().clear();
    builder.environment().put("PATH", tools.toString());
    builder.environment().put("HOME", temp.toString());
    builder.environment().put("LONGTAKE_JDK_DIRS", temp.resolve("no jdks").toString());
    builder.environment().putAll(environment);
    return builder.start();
  }

  private static Result result(Process process) throws IOException, InterruptedException {
    String out =
        new String(
            process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    String err =
        new String(
            process.getErrorStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    return new Result(process.exitValue(), out, err);
  }

  @Test
  void shouldSayWhereItLookedWhenThereIsNoJdk() throws Exception {
    jar();
    Path old = jdk("old", "17.0.1");
    Result result = run(Map.of("JAVA_HOME", old.toString()));
    assertThat(result.status()).isEqualTo(2);
    assertThat(result.err().lines()).hasSize(1);
    assertThat(result.err())
        .contains(
            "longtake: Expected a JDK 25 or newer, but found none",
            "JAVA_HOME (" + old + ": version 17)",
            "java on PATH (not set)",
            "no jdks",
            "LONGTAKE_JAVA_HOME");
  }

  @Test
  void shouldTakeTheNextWhenAnEarlierOneIsTooOld() throws Exception {
    jar();
    Path old = jdk("old", "17.0.1");
    Path onPath = jdk("on path", "25.0.1");
    Files.createSymbolicLink(tools.resolve("java"), onPath.resolve("bin/java"));
    assertThat(run(Map.of("JAVA_HOME", old.toString())).out()).startsWith("java 25.0.1\n");
    Path home = jdk("home", "26-ea");
    assertThat(run(Map.of("JAVA_HOME", home.toString())).out()).startsWith("java 26-ea\n");
    Path own = jdk("own", "27");
    assertThat(
            run(Map.of("JAVA_HOME", home.toString(), "LONGTAKE_JAVA_HOME", own.toString())).out())
        .startsWith("java 27\n");
  }

  @Test
  void shouldLookIntoFoldersWhenNothingIsSet() throws Exception {
    jar();
    jdk("jdks/a17", "17.0.2");
    jdk("jdks/b25", "25");
    Result result = run(Map.of("LONGTAKE_JDK_DIRS", temp.resolve("jdks").toString()));
    assertThat(result.out()).startsWith("java 25\n");
  }

  @Test
  void shouldNotGuessWhenTheNamedJdkIsTooOld() throws Exception {
    jar();
    Path old = jdk("old", "21.0.1");
    Path good = jdk("good", "25");
    Result result = run(Map.of("LONGTAKE_JAVA_HOME", old.toString(), "JAVA_HOME", good.toString()));
    assertThat(result.status()).isEqualTo(2);
    assertThat(result.err()).contains("LONGTAKE_JAVA_HOME", old + ": version 21");
  }

  @Test
  void shouldPassArgumentsAsTheyAreWhenCalledThroughALink() throws Exception {
    jar();
    Path link = Files.createSymbolicLink(temp.resolve("link"), root.resolve("longtake"));
    Path home = jdk("home", "25");
    Result result = run(link, Map.of("JAVA_HOME", home.toString()), "demo", "a  red * circle", "");
    assertThat(result.status()).isZero();
    assertThat(result.out().lines())
        .contains(
            "OMP=1",
            "-Dlongtake.home=" + root.toRealPath(),
            root.toRealPath().resolve("ops/launcher/target/longtake/longtake.jar").toString())
        .endsWith("demo", "a  red * circle", "");
    assertThat(result.out()).doesNotContain("jdk.incubator.vector");
    assertThat(run(Map.of("JAVA_HOME", home.toString()), "conformance", "x").out())
        .contains("--add-modules=jdk.incubator.vector");
  }

  @Test
  void shouldBuildOnlyWhenASourceIsNewer() throws Exception {
    maven();
    Path home = jdk("home", "25");
    Map<String, String> environment = Map.of("JAVA_HOME", home.toString());
    Result first = run(environment, "status");
    assertThat(first.out()).startsWith("java 25\n").endsWith("status\n");
    assertThat(first.err()).containsOnlyOnce("longtake: building");
    assertThat(calls())
        .containsExactly(
            "mvn JAVA_HOME="
                + home
                + " -q -B --no-transfer-progress -Dmaven.test.skip=true -pl ops/launcher -am"
                + " package");
    assertThat(run(environment, "status").err()).isEmpty();

    // Tests and documents are not part of the program.
    Path test = Files.createDirectories(root.resolve("common/src/test/java")).resolve("T.java");
    Files.writeString(test, "class T {}");
    Files.writeString(root.resolve("README.md"), "new");
    soon(test);
    soon(root.resolve("README.md"));
    assertThat(run(environment, "status").err()).isEmpty();
    assertThat(calls()).hasSize(1);

    past(root.resolve("ops/launcher/target/longtake/built"));
    past(root.resolve("ops/launcher/target/longtake/longtake.jar"));
    Files.writeString(source, "class A { int a; }");
    assertThat(run(environment, "status").err()).contains("longtake: building");
    assertThat(calls()).hasSize(2);
  }

  private static void soon(Path file) throws IOException {
    Files.setLastModifiedTime(file, FileTime.from(Instant.now().plusSeconds(60)));
  }

  private List<String> calls() throws IOException {
    return Files.readAllLines(root.resolve("calls"));
  }

  @Test
  void shouldAskForMavenWhenThereIsNone() throws Exception {
    Result result = run(Map.of("JAVA_HOME", jdk("home", "25").toString()));
    assertThat(result.status()).isEqualTo(2);
    assertThat(result.err()).contains("longtake: Expected Maven (mvn) on PATH");
  }

  @Test
  void shouldFailAndBuildAgainWhenTheBuildFails() throws Exception {
    executable(tools.resolve("mvn"), "echo wrong; exit 1");
    Map<String, String> environment = Map.of("JAVA_HOME", jdk("home", "25").toString());
    Result result = run(environment, "status");
    assertThat(result.status()).isEqualTo(1);
    assertThat(result.out()).isEmpty();
    assertThat(result.err()).contains("wrong", "longtake: the build failed");
    maven();
    assertThat(run(environment, "status").status()).isZero();
  }

  @Test
  void shouldBuildOnceWhenTwoStartTogether() throws Exception {
    for (boolean isWithFlock : List.of(true, false)) {
      Files.deleteIfExists(root.resolve("ops/launcher/target/longtake/longtake.jar"));
      Files.deleteIfExists(root.resolve("ops/launcher/target/longtake/built"));
      Files.deleteIfExists(root.resolve("calls"));
      if (!isWithFlock) {
        Files.deleteIfExists(tools.resolve("flock"));
      }
      maven();
      Map<String, String> environment = Map.of("JAVA_HOME", jdk("home", "25").toString());
      Process first = start(root.resolve("longtake"), environment, "one");
      Process second = start(root.resolve("longtake"), environment, "two");
      assertThat(result(first).out()).endsWith("one\n");
      assertThat(result(second).out()).endsWith("two\n");
      assertThat(calls()).as("with flock: %s", isWithFlock).hasSize(1);
    }
  }
}
