package dev.longtake.ops.rules;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class SourceRulesTest {
  private static final int MAX_LINES = 600;

  /** Written in two parts, as this file is a source too. */
  private static final Pattern SLEEP = Pattern.compile("\\bThread\\s*\\.\\s*" + "sleep\\b");

  private static final Pattern CONTRACT = Pattern.compile("\\s*(service|rpc)\\s+\\w+.*");

  @Test
  void shouldBeShortWhenItIsASource() {
    var tooLong = new ArrayList<String>();
    for (String suffix : List.of(".java", ".proto", ".cu", ".cuh", ".cpp", ".h")) {
      for (Path file : Sources.withSuffix(suffix)) {
        long lines = Sources.read(file).lines().count();
        if (lines > MAX_LINES) {
          tooLong.add(Sources.name(file) + ": " + lines);
        }
      }
    }
    assertThat(tooLong).as("files of more than %d lines; split them", MAX_LINES).isEmpty();
  }

  @Test
  void shouldBeNullMarkedWhenItIsAPackage() {
    var folders = new TreeSet<Path>();
    Sources.withSuffix(".java").forEach(file -> folders.add(file.getParent()));
    var unmarked = new ArrayList<String>();
    for (Path folder : folders) {
      Path description = folder.resolve("package-info.java");
      if (!java.nio.file.Files.exists(description)
          || !Sources.read(description).contains("@NullMarked")
          || !Sources.read(description).startsWith("/**")) {
        unmarked.add(Sources.name(folder));
      }
    }
    assertThat(unmarked)
        .as("packages without a package-info.java that has a sentence and @NullMarked")
        .isEmpty();
  }

  @Test
  void shouldNotSleepWhenItIsJava() {
    var sleeping = new ArrayList<String>();
    for (Path file : Sources.withSuffix(".java")) {
      if (SLEEP.matcher(Sources.read(file)).find()) {
        sleeping.add(Sources.name(file));
      }
    }
    assertThat(sleeping).as("sources that sleep; wait for what happens, with a deadline").isEmpty();
  }

  @Test
  void shouldSayWhatItDoesWhenItIsAServiceOrACall() {
    var silent = new ArrayList<String>();
    List<Path> contracts = Sources.withSuffix(".proto");
    assertThat(contracts).isNotEmpty();
    for (Path file : contracts) {
      List<String> lines = Sources.read(file).lines().toList();
      if (!lines.getFirst().startsWith("//")) {
        silent.add(Sources.name(file) + ":1");
      }
      for (int i = 1; i < lines.size(); i++) {
        if (CONTRACT.matcher(lines.get(i)).matches()
            && !lines.get(i - 1).strip().startsWith("//")) {
          silent.add("%s:%d %s".formatted(Sources.name(file), i + 1, lines.get(i).strip()));
        }
      }
    }
    assertThat(silent).as("files, services and calls without a comment above").isEmpty();
  }
}
