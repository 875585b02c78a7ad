package dev.longtake.common.process;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class JavaProcessTest {
  @TempDir Path folder;

  private JavaProcess start(String behaviour, Duration timeout, String... more) {
    var arguments = new java.util.ArrayList<>(List.of(behaviour));
    arguments.addAll(List.of(more));
    return JavaProcess.start(
        "child",
        ChildMain.class.getName(),
        arguments,
        List.of("-Dflag=with space and \\ and \"", "-XX:+UseSerialGC"),
        folder.resolve("child.log"),
        timeout);
  }

  private JavaProcess start(String behaviour) {
    return start(behaviour, Duration.ofMinutes(1));
  }

  @Test
  void shouldGiveTheAddressAndTheEnvironmentWhenTheChildIsReady() throws Exception {
    JavaProcess child = start("serve");
    ProcessHandle handle = child.handle();
    try (child) {
      assertThat(child.address()).isEqualTo("127.0.0.1:4711");
      assertThat(child.isAlive()).isTrue();
      assertThat(child.logTail()).isEqualTo("omp=1 flag=with space and \\ and \"");
    }
    // It ended by itself, as its input closed, and not by a signal (which would be 143 or 137).
    assertThat(child.onExit().get(1, SECONDS)).isZero();
    assertThat(handle.isAlive()).isFalse();
    assertThat(folder)
        .isDirectoryContaining("glob:**/child.log")
        .isDirectoryNotContaining("glob:**.args");
  }

  @Test
  void shouldQuoteTheLastLogLinesWhenTheChildDiesBeforeItIsReady() {
    assertThatThrownBy(() -> start("die"))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID_REQUEST))
        .hasMessage(
            "child ended with exit status 2; its last log lines: first line | Expected a model"
                + " folder, but there is none");
  }

  @Test
  void shouldQuoteWhatWentWrongAndNotWhatWentWellWhenTheChildLogged() {
    assertThatThrownBy(() -> start("log"))
        .hasMessageMatching(
            "child ended with exit status 3; its last log lines: \\S+ \\S+ \\S+"
                + " dev\\.longtake\\.Some: all is lost");
    assertThat(folder.resolve("child.log"))
        .content()
        .contains("dev.longtake.Some: all is well")
        .doesNotContain("a connection ended")
        .hasLineCount(3);
  }

  @Test
  void shouldBlameTheProcessWhenItDiesForAnotherReasonThanItsOptions() {
    assertThatThrownBy(() -> start("no such behaviour"))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PROCESS_DIED))
        .hasMessageContainingAll("status 1", "IllegalArgumentException: no such behaviour");
  }

  @Test
  void shouldEndTheChildWhenItIsNotReadyInTime() {
    long before = childrenOfThisProcess();
    assertThatThrownBy(() -> start("mute", Duration.ofMillis(1)))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.TIMED_OUT))
        .hasMessageStartingWith("Expected child to be ready within");
    assertThat(childrenOfThisProcess()).isEqualTo(before);
  }

  @Test
  void shouldDrainTheOutputWhenTheChildPrintsMuch() throws Exception {
    try (JavaProcess child = start("chatter")) {
      assertThat(child.onExit().get(60, SECONDS)).isEqualTo(3);
      assertThat(child.deathMessage())
          .startsWith("child ended with exit status 3; it logged no error");
    }
  }

  @Test
  void shouldKillTheChildWhenItIgnoresItsInputAndTheSignal() throws Exception {
    JavaProcess child = start("stubborn");
    child.close();
    assertThat(child.isAlive()).isFalse();
    assertThat(child.onExit().get(1, SECONDS)).isEqualTo(137);
    child.close();
  }

  @Test
  @EnabledOnOs({OS.LINUX, OS.MAC})
  void shouldLeaveCtrlCToTheParentWhenTheTerminalSendsItToAll() throws Exception {
    JavaProcess child = start("serve");
    try (child) {
      var kill = new ProcessBuilder("kill", "-INT", Long.toString(child.handle().pid())).start();
      assertThat(kill.waitFor(10, SECONDS)).isTrue();
    }
    // 130 would be the signal's.
    assertThat(child.onExit().get(1, SECONDS)).isZero();
  }

  @Test
  void shouldEndWithItsParentWhenTheParentIsKilled() throws Exception {
    try (JavaProcess parent =
        start("parent", Duration.ofMinutes(1), folder.resolve("grandchild.log").toString())) {
      long pid = Long.parseLong(parent.address().substring("127.0.0.1:".length()));
      ProcessHandle grandchild = ProcessHandle.of(pid).orElseThrow();
      parent.handle().destroyForcibly();
      grandchild.onExit().get(60, SECONDS);
      assertThat(grandchild.isAlive()).isFalse();
    }
  }

  @Test
  void shouldParseOnlyReadyLines() {
    assertThat(ReadyLine.parse("READY worker 127.0.0.1:80"))
        .contains(new ReadyLine("worker", "127.0.0.1:80"));
    for (String other :
        List.of(
            "", "READY worker", "READY worker host", "ready worker a:1", "x READY worker a:1")) {
      assertThat(ReadyLine.parse(other)).as(other).isEqualTo(Optional.empty());
    }
  }

  private static long childrenOfThisProcess() {
    return ProcessHandle.current().children().filter(ProcessHandle::isAlive).count();
  }
}
