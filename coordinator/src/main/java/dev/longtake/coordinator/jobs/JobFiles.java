package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.artifacts.JobArtifacts;
import dev.longtake.v1.SamplerState;
import dev.longtake.v1.StoredTail;
import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;

/** When the files of jobs come and go. Called without the store's lock, since a disk may be slow, except when the store is opened. */
final class JobFiles {
  private final JobArtifacts artifacts;

  JobFiles(JobArtifacts artifacts) {
    this.artifacts = artifacts;
  }

  /**
   * Keeps what a job needs to be started, before it is stored.
   *
   * @throws LongtakeException STORAGE_UNAVAILABLE when there is no room
   */
  void writeInputs(String id, NewJob submitted) {
    artifacts.writePrompt(id, StoredPrompts.toProto(submitted.prompt()));
    submitted
        .beginning()
        .ifPresent(beginning ->
            artifacts.writeTail(
                id, StoredTail.newBuilder().setLatents(beginning.latents()).build()));
  }

  /** Steps of the segment that is made, which need not be done again. */
  int stepsKept(JobEntry entry) {
    return artifacts
        .latestState(entry.id(), entry.snapshot().getSegmentsDone() + 1)
        .map(SamplerState::getStepsDone)
        .orElse(0);
  }

  /** What is left of a job whose end is stored; one whose end is not stored goes on after a restart, and one that still runs may write. */
  void deleteWorkOfEnded(JobEntry entry) {
    if (entry.isComplete() && !entry.hasRun()) {
      artifacts.deleteWork(entry.id());
    }
  }

  /** All of jobs that are forgotten. */
  void delete(List<JobEntry> forgotten) {
    forgotten.forEach(entry -> delete(entry.id()));
  }

  /** All of a job that is forgotten, or was not made. */
  void delete(String id) {
    artifacts.deleteOutputs(id);
    artifacts.deleteWork(id);
  }

  /** Deletes what a killed coordinator left of jobs that have ended. */
  void retainWork(Collection<JobEntry> entries) {
    artifacts.retainWork(
        entries.stream()
            .filter(entry -> !entry.isTerminal())
            .map(JobEntry::id)
            .collect(Collectors.toSet()));
  }
}
