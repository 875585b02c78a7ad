package dev.longtake.coordinator.fleet;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.v1.DescribeRequest;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.WorkerDescription;
import dev.longtake.v1.WorkerGrpc;
import io.grpc.Channel;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** What a worker must fulfil to join, apart from fitting to the members that are there. */
final class Admission {
  /** A worker that joins serves already, so it answers quickly or never. */
  private static final Duration DESCRIBE_TIMEOUT = Duration.ofSeconds(5);

  private static final int MAX_ID_CHARS = 100;
  private static final int FINGERPRINT_PREFIX_CHARS = 12;

  private Admission() {}

  /**
   * @throws LongtakeException INVALID_REQUEST when the description lacks something or the address has no valid form
   */
  static void requireComplete(WorkerDescription worker) {
    if (worker.getId().isBlank() || worker.getId().length() > MAX_ID_CHARS) {
      throw LongtakeException.invalidField(
          "description.id",
          "Expected a worker id of 1 to %d characters, but got '%s'; start the worker with --id"
              .formatted(MAX_ID_CHARS, worker.getId()));
    }
    if (worker.getModel().getFingerprint().isEmpty()) {
      throw LongtakeException.invalidField(
          "description.model",
          "Expected worker %s to describe its model, but its description has no fingerprint"
              .formatted(worker.getId()));
    }
    Endpoints.requireAddress(worker.getAddress());
    String host = worker.getAddress().substring(0, worker.getAddress().lastIndexOf(':'));
    if (host.equals("0.0.0.0") || host.equals("[::]")) {
      throw LongtakeException.invalidField(
          "description.address",
          "Expected an address that others can call, but worker %s announces %s; start it with --host and the address of one interface"
              .formatted(worker.getId(), worker.getAddress()));
    }
  }

  /**
   * Calls the worker back, so that a wrong address is found when it joins and not when a job needs it.
   *
   * @throws LongtakeException INVALID_REQUEST when nothing, or another worker, answers at its address
   */
  static void requireReachable(WorkerDescription worker, Channel channel) {
    WorkerDescription answer;
    try {
      answer =
          WorkerGrpc.newBlockingStub(channel)
              .withDeadlineAfter(DESCRIBE_TIMEOUT.toNanos(), TimeUnit.NANOSECONDS)
              .describe(DescribeRequest.getDefaultInstance());
    } catch (StatusRuntimeException e) {
      throw LongtakeException.invalidField(
          "description.address",
          "Expected worker %s to answer at %s, but the coordinator can't call it there (%s); start it with a --host that the coordinator reaches"
              .formatted(
                  worker.getId(),
                  worker.getAddress(),
                  GrpcErrors.fromStatus(e, "worker " + worker.getId()).getMessage()));
    }
    if (!answer.getId().equals(worker.getId())) {
      throw LongtakeException.invalidField(
          "description.address",
          "Expected worker %s at %s, but worker %s answers there; start it with its own --host and --port"
              .formatted(worker.getId(), worker.getAddress(), answer.getId()));
    }
  }

  /**
   * @param build of the coordinator
   * @throws LongtakeException BUILD_MISMATCH when the worker says that it is another one
   */
  static void requireBuild(WorkerDescription worker, String build) {
    if (!worker.getBuild().isEmpty() && !worker.getBuild().equals(build)) {
      throw new LongtakeException(
          ErrorCode.BUILD_MISMATCH,
          "Expected version %s, the coordinator's, but worker %s is version %s; start both from one build"
              .formatted(build, worker.getId(), Quoted.of(worker.getBuild())));
    }
  }

  /** MODEL_MISMATCH, naming both models. */
  static LongtakeException mismatch(ModelCard cluster, WorkerDescription worker) {
    return new LongtakeException(
        ErrorCode.MODEL_MISMATCH,
        "Expected the cluster's model %s, but worker %s has %s; start it with --model and the cluster's model, or stop all workers first to change the model"
            .formatted(name(cluster), worker.getId(), name(worker.getModel())));
  }

  /** Name and the start of the fingerprint. */
  static String name(ModelCard model) {
    String fingerprint = model.getFingerprint();
    return "%s (fingerprint %s)"
        .formatted(
            model.getName(),
            fingerprint.substring(0, Math.min(FINGERPRINT_PREFIX_CHARS, fingerprint.length())));
  }
}
