package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** The longtake program as a process, started as the script starts it, but on the test's class path. */
final class Program implements AutoCloseable {
  private static final long END_SECONDS = 120;
  private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

  private final Process process;
  private final Path out;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition printed = lock.newCondition();
  private final StringBuilder err = new StringBuilder(); // guarded by the lock
  private final Thread reader;

  private Program(Process process, Path out) {
    this.process = process;
    this.out = out;
    this.reader = Thread.ofVirtual().start(this::readErr);
  }

  private void readErr() {
    try (BufferedReader lines = process.errorReader(StandardCharsets.UTF_8)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        lock.lock();
        try {
          err.append(line).append('\n');
          printed.signalAll();
        } finally {
          lock.unlock();
        }
      }
    } catch (IOException e) {
      // Closed with the process.
    }
  }

  /** What an ended program left. */
  record Result(int status, String out, String err) {}

  /** Starts {@code longtake arguments...}; its temporary files are in {@code folder}. */
  static Program start(Path folder, List<String> arguments) {
    try {
      Path out = Files.createTempFile(folder, "out", "");
      Path flags = Files.createTempFile(folder, "flags", "");
      Files.writeString(flags, "-cp\n\"" + System.getProperty("java.class.path") + "\"\n");
      var command = new ArrayList<String>();
      if (isEnvNewEnough()) {
        // A shell that runs the tests in the background makes them ignore Ctrl-C, which children
        // inherit.
        command.addAll(List.of("env", "--default-signal=INT"));
      }
      command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
      command.add("@" + flags);
      command.addAll(
          List.of(
              "--enable-native-access=ALL-UNNAMED",
              "--sun-misc-unsafe-memory-access=allow",
              "-XX:+UseSerialGC",
              "-XX:TieredStopAtLevel=1",
              "-Djava.io.tmpdir=" + folder,
              "-Dlongtake.home=" + TestModels.ROOT));
      if (List.of("worker", "conformance", "bench").contains(arguments.getFirst())) {
        command.add("--add-modules=jdk.incubator.vector");
      }
      command.add(Longtake.class.getName());
      command.addAll(arguments);
      Process process = new ProcessBuilder(command).redirectOutput(out.toFile()).start();
      process.getOutputStream().close();
      return new Program(process, out);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Whether {@code env} can undo an ignored signal, as GNU's can since 8.31. */
  static boolean isEnvNewEnough() {
    try {
      return new ProcessBuilder("env", "--default-signal=INT", "true")
              .redirectErrorStream(true)
              .start()
              .waitFor()
          == 0;
    } catch (IOException e) {
      return false;
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** Runs it to its end. */
  static Result run(Path folder, String... arguments) {
    try (Program program = start(folder, List.of(arguments))) {
      return program.await();
    }
  }

  ProcessHandle handle() {
    return process.toHandle();
  }

  /** Waits until standard error contains {@code part}. */
  void awaitErr(String part) {
    long leftNanos = TimeUnit.SECONDS.toNanos(END_SECONDS);
    lock.lock();
    try {
      while (err.indexOf(part) < 0) {
        assertThat(process.isAlive() && leftNanos > 0).as("'%s' in %s", part, err).isTrue();
        // Its end signals nothing.
        leftNanos -= POLL_NANOS - Math.max(0, printed.awaitNanos(POLL_NANOS));
      }
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    } finally {
      lock.unlock();
    }
  }

  private String err() {
    lock.lock();
    try {
      return err.toString();
    } finally {
      lock.unlock();
    }
  }

  /** Sends a signal, by its name without SIG. */
  void signal(String name) {
    try {
      assertThat(
              new ProcessBuilder("kill", "-" + name, Long.toString(process.pid()))
                  .start()
                  .waitFor())
          .isZero();
    } catch (IOException | InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** Waits for its end. */
  Result await() {
    try {
      assertThat(process.waitFor(END_SECONDS, TimeUnit.SECONDS))
          .as("the end of %s; it printed %s", process.info().commandLine(), err())
          .isTrue();
      assertThat(reader.join(Duration.ofSeconds(END_SECONDS))).as("the end of its output").isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
    return new Result(process.exitValue(), read(out), err());
  }

  private static String read(Path file) {
    try {
      return Files.readString(file, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    process.destroyForcibly();
  }
}
