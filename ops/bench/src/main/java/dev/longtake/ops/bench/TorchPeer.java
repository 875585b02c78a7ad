package dev.longtake.ops.bench;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonSyntaxException;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * PyTorch in a process of its own, {@code peers/peer.py}, which does a {@link SamplingCase} whenever it is asked. For one thread. The
 * process ends with its standard input, so also when this one is killed.
 */
final class TorchPeer implements AutoCloseable {
  private static final Duration IMPORT = Duration.ofMinutes(2);

  /** Loading; a run, which may have to compile first. */
  private static final Duration ANSWER = Duration.ofMinutes(30);

  private static final Duration END = Duration.ofSeconds(10);

  private final Process process;
  private final BufferedReader answers;
  private final Writer commands;
  private final ExecutorService reader = Executors.newVirtualThreadPerTaskExecutor();

  private TorchPeer(Process process) {
    this.process = process;
    answers = process.inputReader(StandardCharsets.UTF_8);
    commands = process.outputWriter(StandardCharsets.UTF_8);
  }

  /**
   * What a run was.
   *
   * @param seconds of all steps
   * @param peakBytes most memory that was resident in the process so far
   */
  record Run(double seconds, double peakBytes) {}

  /** Why there is no PyTorch, in a sentence; empty where there is. */
  static Optional<String> whyMissing(String python) {
    Process check;
    try {
      check =
          new ProcessBuilder(python, "-c", "import torch")
              .redirectErrorStream(true)
              .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
              .start();
    } catch (IOException e) {
      return Optional.of(missing(python, "it cannot be started"));
    }
    try (TorchPeer peer = new TorchPeer(check)) {
      String last = "it says nothing";
      for (String line = peer.line(IMPORT); line != null; line = peer.line(IMPORT)) {
        last = line.isBlank() ? last : line.strip();
      }
      if (!check.waitFor(IMPORT)) {
        return Optional.of(missing(python, "it does not end"));
      }
      return check.exitValue() == 0 ? Optional.empty() : Optional.of(missing(python, last));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(ErrorCode.CANCELED, "Interrupted while looking for PyTorch", e);
    }
  }

  private static String missing(String python, String why) {
    return "PyTorch is not installed for '%s' (%s), so nothing is compared with it; install it, or name another interpreter with --python"
        .formatted(python, why);
  }

  /**
   * Starts a peer and waits until it has loaded its weights.
   *
   * @param scripts the folder of peer.py
   * @param task as {@link SamplingCase#write} gives it
   * @param options of peer.py
   * @param threads that each of its processes computes with
   * @param folder for its log and what a compiler makes
   * @throws LongtakeException PROCESS_DIED with what it says when it can't run
   */
  static TorchPeer start(
      String python, Path scripts, Path task, List<String> options, int threads, Path folder) {
    List<String> command =
        new ArrayList<>(
            List.of(python, scripts.resolve("peer.py").toString(), task.toString(), "--threads"));
    command.add(Integer.toString(threads));
    command.addAll(options);
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.redirectError(ProcessBuilder.Redirect.appendTo(folder.resolve("pytorch.log").toFile()));
    // What the longtake script sets for its own processes is not what PyTorch is to run with.
    builder.environment().put("OMP_NUM_THREADS", Integer.toString(threads));
    builder.environment().remove("MALLOC_ARENA_MAX");
    builder.environment().put("PYTHONDONTWRITEBYTECODE", "1");
    builder.environment().put("TORCHINDUCTOR_CACHE_DIR", folder.resolve("inductor").toString());
    TorchPeer peer;
    try {
      peer = new TorchPeer(builder.start());
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.PROCESS_DIED, "Expected to start '%s', but: %s".formatted(python, e), e);
    }
    boolean isReady = false;
    try {
      peer.answer();
      isReady = true;
      return peer;
    } finally {
      if (!isReady) {
        peer.close();
      }
    }
  }

  /**
   * Samples once.
   *
   * @throws LongtakeException PROCESS_DIED with what it says when it can't, TIMED_OUT when it takes half an hour
   */
  Run run() {
    try {
      commands.write("run\n");
      commands.flush();
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.PROCESS_DIED, "Expected PyTorch to run once more, but it has ended", e);
    }
    JsonObject answer = answer();
    return new Run(answer.get("seconds").getAsDouble(), answer.get("peak_bytes").getAsDouble());
  }

  /** The next line of JSON; a library may print other lines. */
  private JsonObject answer() {
    for (String line = line(ANSWER); line != null; line = line(ANSWER)) {
      if (line.startsWith("{")) {
        try {
          JsonObject answer = JsonParser.parseString(line).getAsJsonObject();
          if (answer.has("error")) {
            throw new LongtakeException(
                ErrorCode.PROCESS_DIED,
                "Expected PyTorch to run, but it says: " + answer.get("error").getAsString());
          }
          return answer;
        } catch (JsonSyntaxException e) {
          throw new LongtakeException(
              ErrorCode.PROCESS_DIED, "Expected JSON from PyTorch, but got: " + line, e);
        }
      }
    }
    throw new LongtakeException(
        ErrorCode.PROCESS_DIED, "Expected an answer from PyTorch, but it ended without one");
  }

  private @Nullable String line(Duration limit) {
    try {
      return reader.submit(answers::readLine).get(limit.toSeconds(), TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw new LongtakeException(
          ErrorCode.PROCESS_DIED, "Expected a line from PyTorch, but: " + e.getCause(), e);
    } catch (TimeoutException e) {
      throw new LongtakeException(
          ErrorCode.TIMED_OUT,
          "Expected PyTorch to answer within %d s, but it did not".formatted(limit.toSeconds()),
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(ErrorCode.CANCELED, "Interrupted while PyTorch runs", e);
    }
  }

  @Override
  public void close() {
    List<ProcessHandle> descendants = process.descendants().toList();
    try {
      commands.close();
      if (!process.waitFor(END)) {
        process.destroyForcibly();
      }
    } catch (IOException e) {
      process.destroyForcibly();
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
    descendants.forEach(ProcessHandle::destroyForcibly);
    reader.shutdownNow();
  }
}
