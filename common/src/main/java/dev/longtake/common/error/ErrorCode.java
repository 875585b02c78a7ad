package dev.longtake.common.error;

import io.grpc.Status;

/**
 * Every way a call can fail, as programs see it: the name is the {@code reason} of the {@code google.rpc.ErrorInfo}
 * detail and never changes its meaning.
 */
public enum ErrorCode {
  /** A field of the request is outside what the model or the server allows. */
  INVALID_REQUEST(Category.USER, Status.Code.INVALID_ARGUMENT),
  /** A file of a model folder is missing or contradicts another. */
  INVALID_MODEL(Category.USER, Status.Code.FAILED_PRECONDITION),
  /** A checkpoint is truncated, or a tensor in it is missing, misnamed or of the wrong shape. */
  INVALID_CHECKPOINT(Category.USER, Status.Code.FAILED_PRECONDITION),
  /** No worker has this id. */
  NO_SUCH_WORKER(Category.USER, Status.Code.NOT_FOUND),
  /** No job has this id. */
  NO_SUCH_JOB(Category.USER, Status.Code.NOT_FOUND),
  /** The job is in a state in which the call makes no sense. */
  WRONG_STATE(Category.USER, Status.Code.FAILED_PRECONDITION),
  /** The worker and the cluster, or two workers, have different models. */
  MODEL_MISMATCH(Category.USER, Status.Code.FAILED_PRECONDITION),
  /** The worker is of another version than the coordinator. */
  BUILD_MISMATCH(Category.USER, Status.Code.FAILED_PRECONDITION),
  /** Another worker has this id. */
  WORKER_ID_IN_USE(Category.USER, Status.Code.ALREADY_EXISTS),
  /** The port to listen on is taken. */
  PORT_IN_USE(Category.USER, Status.Code.FAILED_PRECONDITION),
  /** Nothing answers at the address. */
  UNREACHABLE(Category.USER, Status.Code.UNAVAILABLE),
  /** The caller shows no key, or one that nobody knows. */
  UNAUTHENTICATED(Category.USER, Status.Code.UNAUTHENTICATED),
  /** The caller's key does not allow the call. */
  PERMISSION_DENIED(Category.USER, Status.Code.PERMISSION_DENIED),
  /** The user asked to stop. */
  CANCELED(Category.USER, Status.Code.CANCELLED),

  /** The queue holds as many jobs as it may. */
  QUEUE_FULL(Category.RESOURCES, Status.Code.RESOURCE_EXHAUSTED),
  /** The tenant has as many jobs as it may. */
  QUOTA_EXCEEDED(Category.RESOURCES, Status.Code.RESOURCE_EXHAUSTED),
  /** The database or the folder of the coordinator does not take what must be stored. */
  STORAGE_UNAVAILABLE(Category.RESOURCES, Status.Code.UNAVAILABLE),
  /** No worker has joined the cluster. */
  NO_WORKERS(Category.RESOURCES, Status.Code.UNAVAILABLE),
  /** The worker runs another order. */
  WORKER_BUSY(Category.RESOURCES, Status.Code.FAILED_PRECONDITION),
  /** A device has less memory than the plan needs. */
  OUT_OF_MEMORY(Category.RESOURCES, Status.Code.RESOURCE_EXHAUSTED),

  /** A worker of the job died or froze, as the coordinator sees it. */
  WORKER_LOST(Category.CLUSTER, Status.Code.UNAVAILABLE),
  /** A peer died or froze, as another worker sees it. */
  PEER_LOST(Category.CLUSTER, Status.Code.UNAVAILABLE),
  /** A worker's device has failed for good; the worker leaves the cluster and ends. */
  DEVICE_LOST(Category.CLUSTER, Status.Code.UNAVAILABLE),
  /** A child process of a local cluster ended before or while it was needed. */
  PROCESS_DIED(Category.CLUSTER, Status.Code.UNAVAILABLE),
  /** Another coordinator leads, or none at the moment; the detail's metadata may name it as {@code leader}. */
  NOT_LEADER(Category.CLUSTER, Status.Code.UNAVAILABLE),
  /** The job goes on in a newer attempt. */
  STALE_ATTEMPT(Category.CLUSTER, Status.Code.ABORTED),
  /** A payload is not what was sent. */
  CHECKSUM_MISMATCH(Category.CLUSTER, Status.Code.DATA_LOSS),
  /** Something did not happen in time. */
  TIMED_OUT(Category.CLUSTER, Status.Code.DEADLINE_EXCEEDED),

  /** Our mistake. */
  INTERNAL(Category.US, Status.Code.INTERNAL);

  /** Who must act. */
  public enum Category {
    /** The caller corrects the request or the set-up. */
    USER,
    /** More of something, or later. */
    RESOURCES,
    /** A process or a link failed; a retry may work. */
    CLUSTER,
    /** The developers. */
    US
  }

  private final Category category;
  private final Status.Code status;

  ErrorCode(Category category, Status.Code status) {
    this.category = category;
    this.status = status;
  }

  public Category category() {
    return category;
  }

  /** The gRPC status a call ends with. */
  public Status.Code status() {
    return status;
  }
}
