package dev.longtake.worker.service;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.GrpcErrors;
import io.grpc.StatusRuntimeException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Ends calls that failed, and decides how loud the log is: our own mistakes with a stack trace, others with a line. */
final class CallFailures {
  private static final Logger LOG = LoggerFactory.getLogger(CallFailures.class);

  private CallFailures() {}

  /** The status for {@code failure}, which is logged as that of {@code call}. */
  static StatusRuntimeException status(String call, Throwable failure) {
    if (failure instanceof LongtakeException e && e.code() != ErrorCode.INTERNAL) {
      LOG.info("{} failed: {}: {}", call, e.code(), e.getMessage());
    } else {
      LOG.error("{} failed", call, failure);
    }
    return GrpcErrors.toStatus(failure);
  }
}
