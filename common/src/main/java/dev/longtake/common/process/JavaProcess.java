package dev.longtake.common.process;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A Longtake server running as a child process on this JVM's class path.
 *
 * <p>The child is started with {@code --exit-with-parent} and holds our end of its standard input: it ends when that
 * closes, so it cannot outlive this process even when this one is killed. A shutdown hook ends it as well, which covers
 * Ctrl-C. All methods may be called from any thread.
 */
public final class JavaProcess implements AutoCloseable {
  /** What every Longtake JVM is started with: native calls, vector instructions, quiet about Netty's Unsafe. */
  public static final List<String> BASE_JVM_FLAGS =
      List.of(
          "--enable-native-access=ALL-UNNAMED",
          "--add-modules=jdk.incubator.vector",
          "--sun-misc-unsafe-memory-access=allow");

  /** What names the class path among flags. */
  private static final String CLASS_PATH = "-cp";

  /**
   * A terminal sends Ctrl-C to every process in the foreground. The child ignores it, as the JVM keeps an ignored signal
   * ignored: the parent decides when and in which order things end.
   */
  private static final Path SHELL = Path.of("/bin/sh");

  private static final int USAGE_EXIT_STATUS = 2;

  /** What the system adds to the number of the signal that killed a process. */
  private static final int SIGNAL_EXIT_STATUS = 128;

  private static final int SIGKILL = 9;

  private static final int LOG_TAIL_LINES = 12;
  private static final int LOG_TAIL_BYTES = 16 << 10;

  /** For each of the three ways to end a child: asked, terminated, killed. */
  private static final long END_SECONDS = 5;

  private final String name;
  private final Process process;
  private final Path logFile;
  private final Path argumentFile;
  private final @Nullable ClassArchive archive;
  private final Thread shutdownHook;
  private final CompletableFuture<ReadyLine> ready = new CompletableFuture<>();
  private String address = "";
  private String metricsAddress = "";
  private String httpUrl = "";

  private JavaProcess(
      String name,
      Process process,
      Path logFile,
      Path argumentFile,
      @Nullable ClassArchive archive) {
    this.name = name;
    this.process = process;
    this.logFile = logFile;
    this.argumentFile = argumentFile;
    this.archive = archive;
    this.shutdownHook = Thread.ofPlatform().name("end-" + name).unstarted(this::end);
  }

  /**
   * Starts {@code mainClass} and waits until it is ready.
   *
   * @param name for messages, for example {@code "worker 1"}
   * @param arguments of the main class, without {@code --exit-with-parent}
   * @param jvmFlags besides {@link #BASE_JVM_FLAGS}; {@code -cp} and a class path replace that of this JVM
   * @param logFile where the child's standard error is appended; its folder must exist
   * @param readyTimeout from the start of the process to its READY line
   * @throws LongtakeException PROCESS_DIED when the child ends first, its last log lines in the message
   *     (INVALID_REQUEST when it ended with status 2, as servers do for a wrong option or configuration); TIMED_OUT when it
   *     is not ready in time; CANCELED when this thread is interrupted or this process is shutting down. The child is
   *     gone then.
   */
  public static JavaProcess start(
      String name,
      String mainClass,
      List<String> arguments,
      List<String> jvmFlags,
      Path logFile,
      Duration readyTimeout) {
    return startWithin(List.of(), name, mainClass, arguments, jvmFlags, logFile, readyTimeout);
  }

  /**
   * As {@link #start}, by another program.
   *
   * @param launcher a command that becomes the one behind it, for example {@code ip netns exec NAME}; empty for none
   */
  public static JavaProcess startWithin(
      List<String> launcher,
      String name,
      String mainClass,
      List<String> arguments,
      List<String> jvmFlags,
      Path logFile,
      Duration readyTimeout) {
    JavaProcess child = launch(launcher, name, mainClass, arguments, jvmFlags, logFile);
    boolean isReady = false;
    try {
      child.watch();
      child.awaitReady(readyTimeout);
      isReady = true;
      return child;
    } finally {
      if (!isReady) {
        child.close();
      }
    }
  }

  private static JavaProcess launch(
      List<String> launcher,
      String name,
      String mainClass,
      List<String> arguments,
      List<String> jvmFlags,
      Path logFile) {
    Path argumentFile = logFile.resolveSibling(logFile.getFileName() + ".args");
    var command = new ArrayList<String>();
    if (Files.isExecutable(SHELL)) {
      command.addAll(List.of(SHELL.toString(), "-c", "trap '' INT; exec \"$@\"", name));
    }
    command.addAll(launcher);
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("@" + argumentFile);
    command.add(mainClass);
    command.addAll(arguments);
    command.add("--exit-with-parent");
    var builder = new ProcessBuilder(command);
    builder.redirectError(ProcessBuilder.Redirect.appendTo(logFile.toFile()));
    // Parallelism is the engine's own: an OpenMP pool inside each matrix product would only contend
    // with it.
    builder.environment().put("OMP_NUM_THREADS", "1");
    // glibc's arena for each thread, 64 MiB of address space apiece, would count as resident
    // memory.
    builder.environment().put("MALLOC_ARENA_MAX", "2");
    var flags = new ArrayList<String>(BASE_JVM_FLAGS);
    flags.addAll(List.of(CLASS_PATH, System.getProperty("java.class.path")));
    flags.addAll(jvmFlags);
    ClassArchive archive = ClassArchive.of(mainClass, flags.get(flags.lastIndexOf(CLASS_PATH) + 1));
    if (archive != null) {
      flags.addAll(archive.flags());
    }
    try {
      Files.write(argumentFile, quoted(flags), StandardCharsets.UTF_8);
      return new JavaProcess(name, builder.start(), logFile, argumentFile, archive);
    } catch (IOException e) {
      if (archive != null) {
        archive.close(false);
      }
      throw new LongtakeException(
          ErrorCode.PROCESS_DIED, "Cannot start %s: %s".formatted(name, e.getMessage()), e);
    }
  }

  /** As the JVM's argument files want it: one flag a line, quoted, backslashes doubled. */
  private static List<String> quoted(List<String> flags) {
    return flags.stream()
        .map(flag -> '"' + flag.replace("\\", "\\\\").replace("\"", "\\\"") + '"')
        .toList();
  }

  private void watch() {
    try {
      Runtime.getRuntime().addShutdownHook(shutdownHook);
    } catch (IllegalStateException e) {
      throw new LongtakeException(
          ErrorCode.CANCELED, name + " is not started: this process is shutting down", e);
    }
    Thread.ofPlatform().daemon().name("out-" + name).start(this::drainOutput);
  }

  /** Reads the child's output to its end, so that a chatty child never blocks on a full pipe. */
  private void drainOutput() {
    try (BufferedReader output = process.inputReader(StandardCharsets.UTF_8)) {
      for (String line = output.readLine(); line != null; line = output.readLine()) {
        ReadyLine.parse(line).ifPresent(ready::complete);
      }
    } catch (IOException | UncheckedIOException e) {
      // The stream is closed under the reader when the child is killed; its exit is what is
      // reported.
    }
  }

  private void awaitReady(Duration timeout) {
    try {
      var _ =
          CompletableFuture.anyOf(ready, process.onExit())
              .get(timeout.toNanos(), TimeUnit.NANOSECONDS);
      if (!ready.isDone()) {
        throw new LongtakeException(
            process.exitValue() == USAGE_EXIT_STATUS
                ? ErrorCode.INVALID_REQUEST
                : ErrorCode.PROCESS_DIED,
            deathMessage());
      }
      ReadyLine line = ready.get(0, TimeUnit.NANOSECONDS);
      address = line.address();
      metricsAddress = line.metricsAddress();
      httpUrl = line.httpUrl();
    } catch (TimeoutException e) {
      throw new LongtakeException(
          ErrorCode.TIMED_OUT,
          "Expected %s to be ready within %d s, but it is not; its last log lines: %s"
              .formatted(name, timeout.toSeconds(), logTail()),
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(
          ErrorCode.CANCELED, "Interrupted while waiting for %s to be ready".formatted(name), e);
    } catch (ExecutionException e) {
      throw new LongtakeException(ErrorCode.INTERNAL, "Waiting for %s failed".formatted(name), e);
    }
  }

  /** What it was started as. */
  public String name() {
    return name;
  }

  /** {@code host:port} from the READY line. */
  public String address() {
    return address;
  }

  /** {@code host:port} of its metrics; empty: it serves none. */
  public String metricsAddress() {
    return metricsAddress;
  }

  /** Where its page is; empty without one. */
  public String httpUrl() {
    return httpUrl;
  }

  public boolean isAlive() {
    return process.isAlive();
  }

  public ProcessHandle handle() {
    return process.toHandle();
  }

  /** Completes with the exit status when the child has ended, whoever ended it. */
  public CompletableFuture<Integer> onExit() {
    return process.onExit().thenApply(Process::exitValue);
  }

  public Path logFile() {
    return logFile;
  }

  /** The last lines of the child's log but for those of {@link Logs}' level INFO, joined with {@code " | "}. */
  public String logTail() {
    try (FileChannel log = FileChannel.open(logFile, StandardOpenOption.READ)) {
      long start = Math.max(0, log.size() - LOG_TAIL_BYTES);
      var buffer = ByteBuffer.allocate(LOG_TAIL_BYTES);
      while (buffer.hasRemaining() && log.read(buffer, start + buffer.position()) >= 0) {
        // Until the buffer is full or the file ends.
      }
      List<String> lines =
          new String(buffer.array(), 0, buffer.position(), StandardCharsets.UTF_8)
              .lines()
              .map(String::strip)
              .filter(line -> !line.isEmpty() && !isJvmNotice(line) && !Logs.isInfo(line))
              .toList();
      return String.join(
          " | ", lines.subList(Math.max(0, lines.size() - LOG_TAIL_LINES), lines.size()));
    } catch (NoSuchFileException e) {
      return "";
    } catch (IOException e) {
      return "(cannot read %s: %s)".formatted(logFile, e.getMessage());
    }
  }

  /** What a JVM says of its own options. */
  private static boolean isJvmNotice(String line) {
    return line.contains("Using incubator modules") || line.startsWith("Picked up ");
  }

  /** One line that says how the ended child ended and what it logged last; for a living child, that it runs. */
  public String deathMessage() {
    if (process.isAlive()) {
      return name + " is running";
    }
    String tail = logTail();
    int status = process.exitValue();
    return "%s %s%s"
        .formatted(
            name,
            status == SIGNAL_EXIT_STATUS + SIGKILL
                ? "was killed (exit status %d: by somebody, or by the system for want of memory)"
                    .formatted(status)
                : "ended with exit status " + status,
            tail.isEmpty() ? "; it logged no error" : "; its last log lines: " + tail);
  }

  /**
   * Ends the child and waits until it is gone: first by closing its standard input, then by a termination signal, then by
   * force, 5 s each. Does nothing when it has ended already.
   */
  @Override
  public void close() {
    end();
    try {
      Runtime.getRuntime().removeShutdownHook(shutdownHook);
    } catch (IllegalStateException e) {
      // Shutting down: the hook runs or ran, and finds the child gone.
    }
    if (archive != null) {
      archive.close(!process.isAlive() && process.exitValue() == 0);
    }
    try {
      Files.deleteIfExists(argumentFile);
    } catch (IOException e) {
      // A leftover in the log folder harms nobody.
    }
  }

  private void end() {
    try {
      process.getOutputStream().close();
    } catch (IOException e) {
      // Closed already, which is what was wanted.
    }
    if (!isGoneInTime()) {
      process.destroy();
      if (!isGoneInTime()) {
        process.destroyForcibly();
        isGoneInTime();
      }
    }
  }

  private boolean isGoneInTime() {
    try {
      return process.waitFor(END_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      // No time to be gentle; the flag stays set for the caller.
      process.destroyForcibly();
      Thread.currentThread().interrupt();
      return true;
    }
  }
}
