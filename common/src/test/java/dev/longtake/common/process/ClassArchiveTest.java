package dev.longtake.common.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.LongtakeException;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** With children whose class path is jars, as that of the program is. */
class ClassArchiveTest {
  @TempDir Path folder;
  private Path archive;
  private String jars;

  @BeforeEach
  void packClasses() throws IOException {
    Path archives = Files.createDirectory(folder.resolve("archives"));
    archive = archives.resolve("ChildMain.jsa");
    System.setProperty(ClassArchive.FOLDER_PROPERTY, archives.toString());
    var paths = new ArrayList<String>();
    for (String path : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
      paths.add(Files.isDirectory(Path.of(path)) ? jar(Path.of(path), paths.size()) : path);
    }
    jars = String.join(File.pathSeparator, paths);
  }

  @AfterEach
  void forgetTheFolder() {
    System.clearProperty(ClassArchive.FOLDER_PROPERTY);
  }

  private String jar(Path classes, int number) throws IOException {
    Path jar = folder.resolve(number + ".jar");
    try (OutputStream file = Files.newOutputStream(jar);
        var entries = new JarOutputStream(file);
        Stream<Path> files = Files.walk(classes)) {
      for (Path path : files.filter(Files::isRegularFile).toList()) {
        entries.putNextEntry(new JarEntry(classes.relativize(path).toString()));
        Files.copy(path, entries);
      }
    }
    // Older than any archive.
    Files.setLastModifiedTime(jar, FileTime.from(Instant.now().minus(Duration.ofHours(1))));
    return jar.toString();
  }

  /** Runs a child to its end, and gives how many of our classes its JVM took from an archive. */
  private long sharedClasses(String behaviour, String classPath) throws IOException {
    Path loaded = folder.resolve("loaded");
    JavaProcess.start(
            "child",
            ChildMain.class.getName(),
            List.of(behaviour),
            List.of("-cp", classPath, "-Xlog:class+load:file=" + loaded),
            folder.resolve("child.log"),
            Duration.ofMinutes(1))
        .close();
    try (Stream<String> lines = Files.lines(loaded)) {
      return lines
          .filter(line -> line.contains("dev.longtake") && line.contains("shared objects file"))
          .count();
    }
  }

  @Test
  void shouldTakeTheClassesFromTheArchiveWhenAnEarlierChildLeftOne() throws IOException {
    assertThat(sharedClasses("serve", jars)).isZero();
    assertThat(archive).isNotEmptyFile();
    assertThat(sharedClasses("serve", jars)).isPositive();
  }

  @Test
  void shouldMakeTheArchiveAgainWhenAJarIsNewer() throws IOException {
    sharedClasses("serve", jars);
    Path jar = Path.of(jars.split(File.pathSeparator, -1)[0]);
    Files.setLastModifiedTime(jar, FileTime.from(Instant.now().plus(Duration.ofHours(1))));
    assertThat(sharedClasses("serve", jars)).isZero();
    Files.setLastModifiedTime(archive, FileTime.from(Instant.now().plus(Duration.ofHours(2))));
    assertThat(sharedClasses("serve", jars)).isPositive();
  }

  @Test
  void shouldDoWithoutWhenTheClassPathHasFolders() {
    assertThat(ClassArchive.of("a.Server", jars + File.pathSeparator + folder)).isNull();
  }

  @Test
  void shouldKeepNothingWhenTheChildHadToBeKilled() throws IOException {
    assertThat(sharedClasses("stubborn", jars)).isZero();
    assertThat(folder.resolve("archives")).isEmptyDirectory();
  }

  @Test
  void shouldMakeOneOnlyWhenSeveralChildrenRunAtOnce() {
    ClassArchive first = ClassArchive.of("a.Server", jars);
    assertThat(first).isNotNull();
    assertThat(ClassArchive.of("a.Server", jars)).isNull();
    first.close(false);
    ClassArchive second = ClassArchive.of("a.Server", jars);
    assertThat(second).isNotNull();
    first.close(false); // which is not the second's end
    assertThat(ClassArchive.of("a.Server", jars)).isNull();
    second.close(false);
  }

  @Test
  void shouldForgetTheArchiveWhenTheChildCannotBeLaunched() {
    Path log = folder.resolve("missing").resolve("child.log");
    String main = ChildMain.class.getName();
    List<String> flags = List.of("-cp", jars);
    Duration ready = Duration.ofMinutes(1);
    assertThatThrownBy(() -> JavaProcess.start("child", main, List.of(), flags, log, ready))
        .isInstanceOf(LongtakeException.class);
    assertThat(folder.resolve("archives")).isEmptyDirectory();
    ClassArchive next = ClassArchive.of(main, jars);
    assertThat(next).isNotNull();
    next.close(false);
  }

  @Test
  void shouldDoWithoutWhenTheFolderIsGone() throws IOException {
    Files.delete(folder.resolve("archives"));
    assertThat(ClassArchive.of("a.Server", jars)).isNull();
  }
}
