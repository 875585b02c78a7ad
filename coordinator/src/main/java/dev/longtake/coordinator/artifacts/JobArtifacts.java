package dev.longtake.coordinator.artifacts;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.files.PartFile;
import dev.longtake.v1.SamplerState;
import dev.longtake.v1.StoredPrompt;
import dev.longtake.v1.StoredTail;
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
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The files of jobs: a folder for each job that has not ended, with its encoded prompt and its last two checkpoints, and one for what
 * jobs make: videos, their segments, and the last frames of these.
 * Different jobs may be used by different threads; one job by one at a time.
 *
 * <p>Of several coordinators that share the folders the one that leads uses them. One that was replaced while it was frozen finds out before
 * it gives a file its name, appends to one or deletes one. Should it freeze right there, it does no harm: its checkpoint is one that the job
 * went through or will, with the same bits, and older than those that the next leader makes; its segment and its video have the same frames,
 * and so the same bytes at the same places.
 */
public final class JobArtifacts {
  private static final Logger log = LoggerFactory.getLogger(JobArtifacts.class);
  private static final String PROMPT = "prompt";
  private static final String STATE_PREFIX = "state-";
  private static final String TAIL_INFIX = ".tail-";

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

  /** Where the segments of a job's video are, or would be. */
  public Path stream(String jobId) {
    return videos.resolve(jobId + ".stream.mp4");
  }

  /**
   * Keeps what the segment after {@code tail.getSegmentsDone()} begins with.
   *
   * @throws LongtakeException STORAGE_UNAVAILABLE when it can't be written, NOT_LEADER
   */
  public void writeTail(String jobId, StoredTail tail) {
    requireLeading();
    Path file = tail(jobId, tail.getSegmentsDone());
    try {
      ChecksummedFile.write(file, tail);
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.STORAGE_UNAVAILABLE,
          "Expected room for a segment's last frames in %s, but it can't be written: %s"
              .formatted(file, e),
          e);
    }
  }

  /**
   * What the segment after so many begins with.
   *
   * @return empty: with nothing
   * @throws LongtakeException CHECKSUM_MISMATCH when it is damaged
   */
  public Optional<StoredTail> readTail(String jobId, int segmentsDone) {
    Path file = tail(jobId, segmentsDone);
    try {
      return Files.exists(file)
          ? Optional.of(ChecksummedFile.read(file, StoredTail.parser()))
          : Optional.empty();
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.CHECKSUM_MISMATCH,
          "Expected the last frames of segment %d in %s, but they are damaged: %s; submit the job again"
              .formatted(segmentsDone, file, e),
          e);
    }
  }

  /** Deletes the tails before this one, which nobody will need again; what can't be deleted is only logged. */
  public void deleteTailsBefore(String jobId, int segmentsDone) {
    deleteOutputs(jobId + TAIL_INFIX + "*", file -> file.compareTo(tail(jobId, segmentsDone)) < 0);
  }

  private Path tail(String jobId, int segmentsDone) {
    return videos.resolve(jobId + TAIL_INFIX + "%06d".formatted(segmentsDone));
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
   * Asked before a file gets its name, or is appended to.
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

  /** Keeps a checkpoint of a segment, and the one before it; those of earlier segments go. No effect when another coordinator may lead. */
  public void writeState(String jobId, int segment, SamplerState state) throws IOException {
    if (!isLeading.getAsBoolean()) {
      return;
    }
    ChecksummedFile.write(
        folder(jobId).resolve(statePrefix(segment) + "%06d".formatted(state.getStepsDone())),
        state);
    List<Path> states = states(jobId, STATE_PREFIX);
    for (Path old : states.subList(Math.min(KEPT_STATES, states.size()), states.size())) {
      Files.deleteIfExists(old);
    }
  }

  /** The last sound checkpoint of a segment; damaged ones are logged and deleted. Empty: start from noise. */
  public Optional<SamplerState> latestState(String jobId, int segment) {
    try {
      for (Path file : states(jobId, statePrefix(segment))) {
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

  private static String statePrefix(int segment) {
    return STATE_PREFIX + "%06d-".formatted(segment);
  }

  /** Newest first. */
  private List<Path> states(String jobId, String prefix) throws IOException {
    List<Path> states = new ArrayList<>();
    try (DirectoryStream<Path> files =
        Files.newDirectoryStream(
            folder(jobId),
            file -> {
              String name = file.getFileName().toString();
              return name.startsWith(prefix) && !name.endsWith(PartFile.SUFFIX);
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

  /** Deletes a job's finished video; its segments stay. What can't be deleted is only logged. */
  public void deleteVideo(String jobId) {
    deleteOutputs(jobId + ".mp4", _ -> true);
  }

  /** Deletes all that a job made, of a job that is forgotten; what can't be deleted is only logged. */
  public void deleteOutputs(String jobId) {
    deleteOutputs(jobId + ".*", _ -> true);
  }

  /** Unless another coordinator may lead. */
  private void deleteOutputs(String pattern, Predicate<Path> which) {
    if (!isLeading.getAsBoolean()) {
      return;
    }
    try (DirectoryStream<Path> files = Files.newDirectoryStream(videos, pattern)) {
      for (Path file : files) {
        if (which.test(file)) {
          Files.deleteIfExists(file);
        }
      }
    } catch (IOException e) {
      log.warn("Cannot delete {} in {}: {}", pattern, videos, e.toString());
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
