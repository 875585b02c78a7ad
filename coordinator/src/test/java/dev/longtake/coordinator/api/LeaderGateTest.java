package dev.longtake.coordinator.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.google.rpc.ErrorInfo;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.ListJobsRequest;
import dev.longtake.v1.ListJobsResponse;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class LeaderGateTest {
  private static final long CALL_SECONDS = 60;

  private final AtomicReference<Optional<String>> leader = new AtomicReference<>(Optional.empty());
  private final LeaderGate gate = new LeaderGate(leader::get);
  private final ExecutorService calls = Executors.newVirtualThreadPerTaskExecutor();
  private Server server;
  private ManagedChannel channel;

  @BeforeEach
  void start() {
    server = Endpoints.serve("127.0.0.1", 0, calls, new HealthStatusManager(), gate.services());
    channel = Endpoints.connect("127.0.0.1:" + server.getPort());
  }

  @AfterEach
  void stop() throws InterruptedException {
    channel.shutdownNow();
    server.shutdownNow();
    assertThat(server.awaitTermination(CALL_SECONDS, TimeUnit.SECONDS)).isTrue();
    calls.close();
  }

  private static final class EmptyList extends GenerationGrpc.GenerationImplBase {
    @Override
    public void list(ListJobsRequest request, StreamObserver<ListJobsResponse> reply) {
      reply.onNext(ListJobsResponse.getDefaultInstance());
      reply.onCompleted();
    }
  }

  private ListJobsResponse list() {
    return GenerationGrpc.newBlockingStub(channel)
        .withDeadlineAfter(CALL_SECONDS, TimeUnit.SECONDS)
        .list(ListJobsRequest.getDefaultInstance());
  }

  private ErrorInfo refusal() throws Exception {
    StatusRuntimeException failure = catchThrowableOfType(StatusRuntimeException.class, this::list);
    assertThat(failure.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
    com.google.rpc.Status details = StatusProto.fromThrowable(failure);
    assertThat(details).isNotNull();
    assertThat(details.getMessage())
        .contains(leader.get().map(address -> "a standby of " + address).orElse("knows of none"));
    return details.getDetails(0).unpack(ErrorInfo.class);
  }

  @Test
  void shouldNameTheLeaderWhenItIsClosed() throws Exception {
    assertThat(refusal().getReason()).isEqualTo("NOT_LEADER");
    assertThat(refusal().getMetadataMap()).isEmpty();

    leader.set(Optional.of("node1:7400"));

    assertThat(refusal().getMetadataMap()).isEqualTo(Map.of("leader", "node1:7400"));
  }

  @Test
  void shouldRefuseCallsWhenTheTermIsOverAndNobodyHasClosedIt() throws Exception {
    AtomicBoolean isLeading = new AtomicBoolean(true);
    gate.open(List.of(new EmptyList()), isLeading::get);
    assertThat(list()).isEqualTo(ListJobsResponse.getDefaultInstance());

    isLeading.set(false);

    assertThat(refusal().getReason()).isEqualTo("NOT_LEADER");
    isLeading.set(true);
    assertThat(list()).isEqualTo(ListJobsResponse.getDefaultInstance());
    gate.close();
    assertThat(refusal().getReason()).isEqualTo("NOT_LEADER");
  }
}
