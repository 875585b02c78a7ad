package dev.longtake.coordinator.artifacts;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.files.PartFile;
import dev.longtake.v1.SamplerState;
import dev.longtake.v1.StoredPrompt;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The files of jobs: a folder for each job that has not ended, with its encoded prompt and its last two checkpoints, and one for videos.
 * Different jobs may be used by different threads; one job by one at a time.
 *
 * <p>Of several coordinators that share the folders the one that leads uses them. One that was replaced while it was frozen finds out before
 * it gives a file its name or deletes one. Should it freeze right there, it does no harm: its checkpoint is one that the job went through
 * or will, with the same bits, and older than those that the next leader makes; its video has the same frames, and so the same bytes.
 */
public final class JobArtifacts {
  private static final Logger log = LoggerFactory.getLogger(JobArtifacts.class);
  private static final String PROMPT = "prompt";
  private static final String STATE_PREFIX = "state-";

  /** Should the last one prove to be damaged, the one before is used. */
  private static final int KEPT_STATES = 2;

  private final Path jobs;
  private final Path videos;
  private final BooleanSupplier isLeading;

  /**
   * Artifacts in two folders.
   *
   * @param jobs a folder that is there; a folder for each job is made in it
   * @param videos a folder that is there
   * @param isLeading whether this coordinator may still write and delete
   */
  public JobArtifacts(Path jobs, Path videos, BooleanSupplier isLeading) {
    this.jobs = jobs;
    this.videos = videos;
    this.isLeading = isLeading;
  }

  /** Where a job's finished video is, or would be. */
  public Path video(String jobId) {
    return videos.resolve(jobId + ".mp4");
  }

  /**
   * Keeps what the text encoder made for a job.
   *
   * @throws LongtakeException STORAGE_UNAVAILABLE when it can't be written, for example because the disk is full
   */
  public void writePrompt(String jobId, StoredPrompt prompt) {
    try {
      Files.createDirectories(folder(jobId));
      ChecksummedFile.write(folder(jobId).resolve(PROMPT), prompt);
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.STORAGE_UNAVAILABLE,
          "Expected room for a job in %s, but it can't be written: %s; mend the folder, then submit again"
              .formatted(jobs, e),
          e);
    }
  }

  /**
   * What the text encoder made for a job.
   *
   * @throws LongtakeException CHECKSUM_MISMATCH when it is damaged or gone
   */
  public StoredPrompt readPrompt(String jobId) {
    Path file = folder(jobId).resolve(PROMPT);
    try {
      return ChecksummedFile.read(file, StoredPrompt.parser());
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.CHECKSUM_MISMATCH,
          "Expected the encoded prompt of the job in %s, but it is damaged: %s; submit the job again"
              .formatted(file, e),
          e);
    }
  }

  /**
   * Asked before a file gets its name.
   *
   * @throws LongtakeException NOT_LEADER when another coordinator may lead
   */
  public void requireLeading() {
    if (!isLeading.getAsBoolean()) {
      throw new LongtakeException(
          ErrorCode.NOT_LEADER,
          "Expected this coordinator to lead when it wrote a file, but its lease has ended; the one"
              + " that leads next goes on");
    }
  }

  /** Keeps a checkpoint, and the one before it; no effect when another coordinator may lead. */
  public void writeState(String jobId, SamplerState state) throws IOException {
    if (!isLeading.getAsBoolean()) {
      return;
    }
    ChecksummedFile.write(
        folder(jobId).resolve(STATE_PREFIX + "%06d".formatted(state.getStepsDone())), state);
    List<Path> states = states(jobId);
    for (Path old : states.subList(Math.min(KEPT_STATES, states.size()), states.size())) {
      Files.deleteIfExists(old);
    }
  }

  /** The last sound checkpoint; damaged ones are logged and deleted. Empty: start from noise. */
  public Optional<SamplerState> latestState(String jobId) {
    try {
      for (Path file : states(jobId)) {
        try {
          return Optional.of(ChecksummedFile.read(file, SamplerState.parser()));
        } catch (IOException e) {
          log.warn("Job {}: cannot use checkpoint {}, going back: {}", jobId, file, e.toString());
          Files.deleteIfExists(file);
        }
      }
    } catch (IOException e) {
      log.warn("Job {}: cannot read its checkpoints, starting from noise: {}", jobId, e.toString());
    }
    return Optional.empty();
  }

  /** Newest first. */
  private List<Path> states(String jobId) throws IOException {
    List<Path> states = new ArrayList<>();
    try (DirectoryStream<Path> files =
        Files.newDirectoryStream(
            folder(jobId),
            file -> {
              String name = file.getFileName().toString();
              return name.startsWith(STATE_PREFIX) && !name.endsWith(PartFile.SUFFIX);
            })) {
      files.forEach(states::add);
    }
    states.sort(Comparator.<Path>naturalOrder().reversed());
    return states;
  }

  /** Deletes what a job needed while it ran, unless another coordinator may lead; its video stays. What can't be deleted is only logged. */
  public void deleteWork(String jobId) {
    Path folder = folder(jobId);
    if (!isLeading.getAsBoolean() || !Files.isDirectory(folder)) {
      return;
    }
    try {
      try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
        for (Path file : files) {
          Files.deleteIfExists(file);
        }
      }
      Files.deleteIfExists(folder);
    } catch (IOException e) {
      log.warn("Cannot delete {}, of a job that has ended: {}", folder, e.toString());
    }
  }

  /** Deletes a job's video, unless another coordinator may lead; what can't be deleted is only logged. */
  public void deleteVideo(String jobId) {
    if (!isLeading.getAsBoolean()) {
      return;
    }
    try {
      Files.deleteIfExists(video(jobId));
    } catch (IOException e) {
      log.warn("Cannot delete {}, the video of a forgotten job: {}", video(jobId), e.toString());
    }
  }

  /** Deletes what is left of jobs that are not among these, as a killed coordinator may leave it. */
  public void retainWork(Set<String> jobIds) {
    try (DirectoryStream<Path> folders = Files.newDirectoryStream(jobs)) {
      for (Path folder : folders) {
        String id = folder.getFileName().toString();
        if (!jobIds.contains(id)) {
          deleteWork(id);
        }
      }
    } catch (IOException e) {
      log.warn("Cannot look for left-overs in {}: {}", jobs, e.toString());
    }
  }

  private Path folder(String jobId) {
    return jobs.resolve(jobId);
  }
}
