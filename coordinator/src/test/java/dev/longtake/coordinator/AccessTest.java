package dev.longtake.coordinator;

import static java.util.stream.Collectors.toSet;
import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.digest.Sha256;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.rpc.Bearer;
import dev.longtake.coordinator.TestCluster.Failure;
import dev.longtake.coordinator.access.Access;
import dev.longtake.v1.CancelJobRequest;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.ContinuationRequest;
import dev.longtake.v1.DownloadRequest;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.GetJobRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.ListJobsRequest;
import dev.longtake.v1.PreviewsRequest;
import dev.longtake.v1.StreamRequest;
import dev.longtake.v1.SubmitRequest;
import dev.longtake.v1.TraceRequest;
import dev.longtake.v1.WatchRequest;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.MethodDescriptor;
import io.grpc.ServiceDescriptor;
import io.grpc.Status;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServerReflectionResponse;
import io.grpc.reflection.v1.ServiceResponse;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A coordinator with keys, called with each of them. */
final class AccessTest {
  private static final long WAIT_SECONDS = 60;

  /** All methods of all services of the port, and the keys that may call them. */
  private static final Map<String, String> EXPECTED = new TreeMap<>();

  static {
    Stream.of(
            "Submit",
            "Watch",
            "Get",
            "List",
            "Cancel",
            "Trace",
            "Download",
            "Stream",
            "Previews",
            "Continuation")
        .forEach(name -> EXPECTED.put("longtake.v1.Generation/" + name, "anna bert root"));
    EXPECTED.put("longtake.v1.Cluster/Model", "anna bert root");
    EXPECTED.put("longtake.v1.Cluster/Explain", "anna bert root");
    EXPECTED.put("longtake.v1.Cluster/Status", "root");
    EXPECTED.put("longtake.v1.Cluster/Drain", "root");
    EXPECTED.put("longtake.v1.Cluster/Join", "node");
    EXPECTED.put("grpc.health.v1.Health/Check", "nobody stranger anna bert root node");
    EXPECTED.put("grpc.health.v1.Health/Watch", "nobody stranger anna bert root node");
    EXPECTED.put("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "anna bert root");
  }

  @TempDir Path folder;
  private TestCluster cluster;

  @BeforeEach
  void start() throws Exception {
    Path file = folder.resolve("access.yaml");
    Files.writeString(
        file,
        "tenants:\n  a:\n    jobs: 2\nkeys:\n"
            + key("anna", "user", "a")
            + key("bert", "user", "b")
            + key("root", "operator", "")
            + key("node", "worker", ""));
    cluster = TestCluster.with(folder.resolve("data"), Access.of(file));
  }

  @AfterEach
  void stop() {
    cluster.close();
  }

  private static String key(String name, String role, String tenant) {
    return "  - {name: %s, role: %s, sha256: %s%s}%n"
        .formatted(
            name,
            role,
            Sha256.hex(secret(name).getBytes(StandardCharsets.UTF_8)),
            tenant.isEmpty() ? "" : ", tenant: " + tenant);
  }

  private static String secret(String name) {
    return "key-of-" + name;
  }

  private Channel as(String name) {
    return Bearer.with(name.equals("nobody") ? "" : secret(name), cluster.channel());
  }

  private GenerationGrpc.GenerationBlockingStub generation(String name) {
    return GenerationGrpc.newBlockingStub(as(name))
        .withDeadlineAfter(WAIT_SECONDS, TimeUnit.SECONDS);
  }

  private Job submit(String name, String tenant) {
    return generation(name)
        .submit(
            SubmitRequest.newBuilder()
                .setRequest(GenerationRequest.newBuilder().setPrompt("a red circle"))
                .setTenant(tenant)
                .build());
  }

  @Test
  void shouldLetEachKeyCallWhatItsRoleMayOnly() throws Exception {
    List<ServiceDescriptor> services =
        List.of(
            GenerationGrpc.getServiceDescriptor(),
            ClusterGrpc.getServiceDescriptor(),
            HealthGrpc.getServiceDescriptor(),
            ServerReflectionGrpc.getServiceDescriptor());
    assertThat(services.stream().map(ServiceDescriptor::getName))
        .as("what the port serves")
        .containsExactlyInAnyOrderElementsOf(served());
    Map<String, String> found = new TreeMap<>();
    for (ServiceDescriptor service : services) {
      for (MethodDescriptor<?, ?> method : service.getMethods()) {
        var allowed = new StringBuilder();
        for (String name : List.of("nobody", "stranger", "anna", "bert", "root", "node")) {
          Status.Code code = call(as(name), method);
          Set<Status.Code> refusals =
              Set.of(Status.Code.UNAUTHENTICATED, Status.Code.PERMISSION_DENIED);
          if (!refusals.contains(code)) {
            allowed.append(allowed.isEmpty() ? "" : " ").append(name);
          } else {
            assertThat(code == Status.Code.UNAUTHENTICATED)
                .as("%s by %s", method.getFullMethodName(), name)
                .isEqualTo(Set.of("nobody", "stranger").contains(name));
          }
        }
        found.put(method.getFullMethodName(), allowed.toString());
      }
    }
    assertThat(found).isEqualTo(EXPECTED);
  }

  private Set<String> served() throws Exception {
    CompletableFuture<ServerReflectionResponse> answer = new CompletableFuture<>();
    StreamObserver<ServerReflectionRequest> requests =
        ServerReflectionGrpc.newStub(as("root"))
            .withDeadlineAfter(WAIT_SECONDS, TimeUnit.SECONDS)
            .serverReflectionInfo(new First<>(answer));
    requests.onNext(ServerReflectionRequest.newBuilder().setListServices("*").build());
    requests.onCompleted();
    return answer
        .get(WAIT_SECONDS, TimeUnit.SECONDS)
        .getListServicesResponse()
        .getServiceList()
        .stream()
        .map(ServiceResponse::getName)
        .collect(toSet());
  }

  /** How a call with these bytes as its request goes: OK when it is answered, even if it would go on. */
  static Status.Code call(Channel channel, MethodDescriptor<?, ?> method, byte... request)
      throws Exception {
    MethodDescriptor<byte[], byte[]> raw =
        MethodDescriptor.<byte[], byte[]>newBuilder()
            .setType(MethodDescriptor.MethodType.BIDI_STREAMING)
            .setFullMethodName(method.getFullMethodName())
            .setRequestMarshaller(new Bytes())
            .setResponseMarshaller(new Bytes())
            .build();
    CompletableFuture<byte[]> answer = new CompletableFuture<>();
    StreamObserver<byte[]> requests =
        ClientCalls.asyncBidiStreamingCall(
            channel.newCall(
                raw, CallOptions.DEFAULT.withDeadlineAfter(WAIT_SECONDS, TimeUnit.SECONDS)),
            new First<>(answer));
    requests.onNext(request);
    requests.onCompleted();
    return answer
        .handle((_, failure) ->
            failure == null ? Status.Code.OK : Status.fromThrowable(failure).getCode())
        .get(WAIT_SECONDS, TimeUnit.SECONDS);
  }

  private record First<T>(CompletableFuture<T> answer) implements StreamObserver<T> {
    @Override
    public void onNext(T value) {
      answer.complete(value);
    }

    @Override
    public void onError(Throwable failure) {
      answer.completeExceptionally(failure);
    }

    @Override
    public void onCompleted() {
      answer.completeExceptionally(Status.UNKNOWN.asException());
    }
  }

  private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
    @Override
    public InputStream stream(byte[] value) {
      return new ByteArrayInputStream(value);
    }

    @Override
    public byte[] parse(InputStream stream) {
      try {
        return stream.readAllBytes();
      } catch (java.io.IOException e) {
        throw new AssertionError(e);
      }
    }
  }

  /** A worker that joined with its key, and holds its jobs. */
  private FakeWorker worker() throws Exception {
    FakeWorker worker = cluster.worker("w0", FakeWorker.card());
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    return worker.join(as("node"));
  }

  @Test
  void shouldHideOtherTenantsJobs() throws Exception {
    worker();
    Job annas = submit("anna", "");
    Job berts = submit("bert", "b");

    assertThat(annas.getTenant()).isEqualTo("a");
    assertThat(ids("anna")).containsExactly(annas.getId());
    assertThat(ids("root")).containsExactly(berts.getId(), annas.getId());
    String id = berts.getId();
    GenerationGrpc.GenerationBlockingStub anna = generation("anna");
    List<Function<String, Object>> calls =
        List.of(
            job -> anna.get(GetJobRequest.newBuilder().setJobId(job).build()),
            job -> anna.cancel(CancelJobRequest.newBuilder().setJobId(job).build()),
            job -> anna.watch(WatchRequest.newBuilder().setJobId(job).build()).hasNext(),
            job -> anna.download(DownloadRequest.newBuilder().setJobId(job).build()).hasNext(),
            job -> anna.stream(StreamRequest.newBuilder().setJobId(job).build()).hasNext(),
            job -> anna.previews(PreviewsRequest.newBuilder().setJobId(job).build()).hasNext(),
            job -> anna.trace(TraceRequest.newBuilder().setJobId(job).build()).hasNext(),
            job -> anna.continuation(ContinuationRequest.newBuilder().setJobId(job).build()));
    for (Function<String, Object> call : calls) {
      Failure others = TestCluster.failure(() -> call.apply(id));
      assertThat(others.reason()).isEqualTo(ErrorCode.NO_SUCH_JOB);
      assertThat(others.message())
          .as("nothing tells that it exists")
          .isEqualTo(
              TestCluster.failure(() -> call.apply("0" + id.substring(1)))
                  .message()
                  .replace("\"0", "\"" + id.charAt(0)));
    }
    assertThat(
            generation("root")
                .cancel(CancelJobRequest.newBuilder().setJobId(id).build())
                .getState())
        .isEqualTo(JobState.JOB_STATE_CANCELED);
  }

  private List<String> ids(String name) {
    return generation(name).list(ListJobsRequest.getDefaultInstance()).getJobsList().stream()
        .map(Job::getId)
        .toList();
  }

  @Test
  void shouldRefuseJobsForOthersAndMoreThanTheQuota() throws Exception {
    worker();

    Failure others = TestCluster.failure(() -> submit("anna", "b"));
    submit("anna", "a");
    submit("anna", "");
    Failure more = TestCluster.failure(() -> submit("anna", ""));

    assertThat(others.reason()).isEqualTo(ErrorCode.PERMISSION_DENIED);
    assertThat(others.message()).contains("tenant 'a'", "but got tenant \"b\"");
    assertThat(more.reason()).isEqualTo(ErrorCode.QUOTA_EXCEEDED);
    assertThat(more.status()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
    assertThat(submit("root", "a").getTenant()).as("an operator's").isEqualTo("a");
  }
}
