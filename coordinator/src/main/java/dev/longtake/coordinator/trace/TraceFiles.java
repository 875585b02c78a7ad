package dev.longtake.coordinator.trace;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.files.PartFile;
import dev.longtake.v1.RankTrace;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The traces of the most recent jobs, one file each. Thread-safe. */
public final class TraceFiles {
  /** Jobs whose traces are kept. */
  public static final int KEPT_JOBS = 100;

  private static final String SUFFIX = ".json";
  private static final Logger log = LoggerFactory.getLogger(TraceFiles.class);

  private final Path folder;
  private final int keptJobs;
  private final ArrayDeque<Path> files = new ArrayDeque<>(); // guarded by this, oldest first

  private TraceFiles(Path folder, int keptJobs) {
    this.folder = folder;
    this.keptJobs = keptJobs;
  }

  /**
   * The folder with what it holds of earlier coordinators.
   *
   * @throws LongtakeException INTERNAL when it can't be read
   */
  public static TraceFiles open(Path folder, int keptJobs) {
    TraceFiles traces = new TraceFiles(folder, keptJobs);
    List<Path> found = new ArrayList<>();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*" + SUFFIX)) {
      files.forEach(found::add);
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL, "Cannot read the folder of traces %s: %s".formatted(folder, e), e);
    }
    // Ids sort by time.
    found.sort(Comparator.comparing(Path::getFileName));
    found.forEach(traces::keep);
    return traces;
  }

  /**
   * Writes the trace of a job, forgetting the oldest one where there are too many.
   *
   * @param workerIds in order of the ranks
   * @param microBatches of the job's plan, at least 1
   * @param traces of the ranks that sent one, in order of the ranks
   * @throws LongtakeException INTERNAL when the file can't be written
   */
  public void write(
      String jobId, List<String> workerIds, int microBatches, List<RankTrace> traces) {
    Path file = file(jobId);
    Path part = PartFile.of(file);
    try {
      try (BufferedWriter out = Files.newBufferedWriter(part)) {
        ChromeTrace.write(out, workerIds, traces, microBatches);
      }
      Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL, "Cannot write the trace %s: %s".formatted(file, e), e);
    }
    keep(file);
  }

  /** The trace of a job; empty when there is none or it was forgotten. */
  public Optional<Path> find(String jobId) {
    Path file = file(jobId);
    synchronized (this) {
      return files.contains(file) ? Optional.of(file) : Optional.empty();
    }
  }

  private Path file(String jobId) {
    return folder.resolve(jobId + SUFFIX);
  }

  private void keep(Path file) {
    List<Path> forgotten = new ArrayList<>();
    synchronized (this) {
      files.add(file);
      while (files.size() > keptJobs) {
        forgotten.add(files.removeFirst());
      }
    }
    for (Path old : forgotten) {
      try {
        Files.deleteIfExists(old);
      } catch (IOException e) {
        log.warn("Cannot delete {}, an old trace: {}", old, e.toString());
      }
    }
  }
}
