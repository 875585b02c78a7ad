package dev.longtake.coordinator.web.openai;

import com.google.gson.JsonArray;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.coordinator.web.http.ApiException;
import dev.longtake.coordinator.web.http.Calls;
import dev.longtake.coordinator.web.http.Exchange;
import dev.longtake.coordinator.web.http.Route;
import dev.longtake.coordinator.web.json.JobFiles;
import dev.longtake.v1.CancelJobRequest;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.GetJobRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.ListJobsRequest;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.ModelRequest;
import io.grpc.Status;
import io.grpc.StatusException;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;

/** {@code /v1/videos}, as OpenAI's clients call it; behind it are the same jobs as everywhere. */
public final class VideoRoutes {
  private static final int DEFAULT_LIMIT = 20;
  private static final int MAX_LIMIT = 100;

  /** As many as the service lists. */
  private static final int ALL_JOBS = 1000;

  private final Calls calls;
  private final JobFiles files;

  public VideoRoutes(Calls calls, JobFiles files) {
    this.calls = calls;
    this.files = files;
  }

  public List<Route> routes() {
    return List.of(
        new Route("POST", "/v1/videos", this::create),
        new Route("GET", "/v1/videos", this::list),
        new Route("GET", "/v1/videos/{id}", this::get),
        new Route("DELETE", "/v1/videos/{id}", this::delete),
        new Route("GET", "/v1/videos/{id}/content", this::content));
  }

  private void create(Exchange exchange) throws Exception {
    // Before the body is looked at: what is wrong with it is for those who may call.
    ModelCard card = model(exchange);
    VideoRequest request = VideoRequests.read(exchange);
    Job job = calls.call(exchange, GenerationGrpc.getSubmitMethod(), request.submission(card));
    exchange.answer(200, VideoJson.of(job, Optional.of(card)));
  }

  private ModelCard model(Exchange exchange) throws StatusException {
    return calls.call(exchange, ClusterGrpc.getModelMethod(), ModelRequest.getDefaultInstance());
  }

  /** For what is nice to know. */
  private Optional<ModelCard> modelIfAny(Exchange exchange) {
    try {
      return Optional.of(model(exchange));
    } catch (StatusException e) {
      return Optional.empty();
    }
  }

  private void get(Exchange exchange) throws Exception {
    Job job = job(exchange);
    exchange.answer(200, VideoJson.of(job, modelIfAny(exchange)));
  }

  private Job job(Exchange exchange) throws StatusException {
    return calls.call(
        exchange,
        GenerationGrpc.getGetMethod(),
        GetJobRequest.newBuilder().setJobId(exchange.variable("id")).build());
  }

  private void list(Exchange exchange) throws Exception {
    List<Job> jobs =
        calls
            .call(
                exchange,
                GenerationGrpc.getListMethod(),
                ListJobsRequest.newBuilder().setLimit(ALL_JOBS).build())
            .getJobsList();
    if (oneOf(exchange, "order", "desc", Set.of("asc", "desc")).equals("asc")) {
      jobs = jobs.reversed();
    }
    jobs = after(exchange, jobs);
    List<Job> page = jobs.stream().limit(limit(exchange)).toList();
    Optional<ModelCard> card = modelIfAny(exchange);
    JsonArray data = new JsonArray();
    page.forEach(job -> data.add(VideoJson.of(job, card)));
    JsonObject answer = new JsonObject();
    answer.addProperty("object", "list");
    answer.add("data", data);
    if (page.isEmpty()) {
      answer.add("first_id", JsonNull.INSTANCE);
      answer.add("last_id", JsonNull.INSTANCE);
    } else {
      answer.addProperty("first_id", page.getFirst().getId());
      answer.addProperty("last_id", page.getLast().getId());
    }
    answer.addProperty("has_more", page.size() < jobs.size());
    exchange.answer(200, answer);
  }

  private static List<Job> after(Exchange exchange, List<Job> jobs) {
    String after = parameter(exchange, "after", "");
    if (after.isEmpty()) {
      return jobs;
    }
    int index =
        IntStream.range(0, jobs.size())
            .filter(i -> jobs.get(i).getId().equals(after))
            .findFirst()
            .orElseThrow(() ->
                LongtakeException.invalidField(
                    "after",
                    "Expected after to be the id of a video that can be listed, but got %s"
                        .formatted(Quoted.of(after))));
    return jobs.subList(index + 1, jobs.size());
  }

  private static int limit(Exchange exchange) {
    String limit = parameter(exchange, "limit", Integer.toString(DEFAULT_LIMIT));
    int value = limit.matches("\\d{1,4}") ? Integer.parseInt(limit) : 0;
    if (value < 1 || value > MAX_LIMIT) {
      throw LongtakeException.invalidField(
          "limit",
          "Expected a limit of 1 to %d, but got %s".formatted(MAX_LIMIT, Quoted.of(limit)));
    }
    return value;
  }

  private static String parameter(Exchange exchange, String name, String absent) {
    return Objects.requireNonNullElse(exchange.query().getValue(name), absent);
  }

  private static String oneOf(Exchange exchange, String name, String absent, Set<String> allowed) {
    String value = parameter(exchange, name, absent);
    if (!allowed.contains(value)) {
      throw LongtakeException.invalidField(
          name,
          "Expected %s to be one of %s, but got %s"
              .formatted(name, allowed.stream().sorted().toList(), Quoted.of(value)));
    }
    return value;
  }

  /** Stops a video that is being made; those that have ended stay until newer ones take their place. */
  private void delete(Exchange exchange) throws Exception {
    Job before = job(exchange);
    if (isEnded(before) || isDone(cancel(exchange))) {
      throw new ApiException(
          409,
          Status.Code.FAILED_PRECONDITION,
          ErrorCode.WRONG_STATE.name(),
          "Expected a video that is being made, but %s has ended; the coordinator keeps ended ones until newer ones take their place, and deletes none before"
              .formatted(before.getId()));
    }
    JsonObject answer = new JsonObject();
    answer.addProperty("id", before.getId());
    answer.addProperty("object", "video.deleted");
    answer.addProperty("deleted", true);
    exchange.answer(200, answer);
  }

  private Job cancel(Exchange exchange) throws StatusException {
    return calls.call(
        exchange,
        GenerationGrpc.getCancelMethod(),
        CancelJobRequest.newBuilder().setJobId(exchange.variable("id")).build());
  }

  private static boolean isEnded(Job job) {
    return switch (job.getState()) {
      case JOB_STATE_DONE, JOB_STATE_FAILED, JOB_STATE_CANCELED -> true;
      case JOB_STATE_UNSPECIFIED, JOB_STATE_QUEUED, JOB_STATE_RUNNING, UNRECOGNIZED -> false;
    };
  }

  private static boolean isDone(Job job) {
    return job.getState() == JobState.JOB_STATE_DONE;
  }

  private void content(Exchange exchange) throws Exception {
    var _ = oneOf(exchange, "variant", "video", Set.of("video"));
    files.video(exchange, exchange.variable("id"));
  }
}
