package dev.longtake.coordinator.api;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.access.Caller;
import dev.longtake.coordinator.jobs.JobEntry;
import dev.longtake.coordinator.jobs.JobIds;
import dev.longtake.coordinator.jobs.JobStore;
import dev.longtake.v1.Job;
import java.util.List;

/** The jobs that whoever makes the call may see; others don't exist for it. For the thread of a call. */
final class CallersJobs {
  private final JobStore jobs;

  CallersJobs(JobStore jobs) {
    this.jobs = jobs;
  }

  /**
   * The job with this id.
   *
   * @throws LongtakeException NO_SUCH_JOB, also when it is another tenant's
   */
  JobEntry get(String id) {
    JobEntry entry = jobs.get(id);
    if (!Caller.current().sees(entry.tenant())) {
      throw JobIds.unknown(id);
    }
    return entry;
  }

  /** Newest first. */
  List<Job> list(int limit) {
    Caller caller = Caller.current();
    return jobs.list(limit, job -> caller.sees(job.getTenant()));
  }

  /**
   * Cancels a job; see {@link JobStore#cancel}.
   *
   * @throws LongtakeException NO_SUCH_JOB, also when it is another tenant's; STORAGE_UNAVAILABLE
   */
  Job cancel(String id) {
    return jobs.cancel(get(id).id());
  }
}
