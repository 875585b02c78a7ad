package dev.longtake.worker.service;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.metrics.Telemetry;
import dev.longtake.common.rpc.Bearer;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.v1.DescribeRequest;
import dev.longtake.v1.ExchangeGrpc;
import dev.longtake.v1.ExchangeMessage;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerGrpc;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.StreamObserver;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A worker with a token, called with it, with another one and without. */
final class TokenGuardTest {
  private static final long WAIT_SECONDS = 60;
  private static final String TOKEN = "the-token";

  private WorkerServer worker;
  private ManagedChannel channel;

  @BeforeEach
  void start() {
    WorkerSettings plain = TestNodes.settings(WorkerSettings.DEFAULT_EVENT_TIMEOUT);
    worker =
        WorkerServer.start(
            new WorkerSettings(
                plain.host(),
                plain.port(),
                plain.advertisedHost(),
                plain.id(),
                plain.tls(),
                TOKEN,
                plain.exchange(),
                plain.exchangeTimeout(),
                plain.eventTimeout(),
                plain.maxOrders()),
            TestNodes.node((_, _, _, _) -> {}, null),
            Telemetry.hidden());
    channel = Endpoints.connect(worker.address());
  }

  @AfterEach
  void stop() throws InterruptedException {
    assertThat(channel.shutdownNow().awaitTermination(WAIT_SECONDS, TimeUnit.SECONDS)).isTrue();
    worker.close();
  }

  private static Status.Code describe(Channel caller) throws Exception {
    return end(answer ->
        WorkerGrpc.newStub(caller)
            .withDeadlineAfter(WAIT_SECONDS, TimeUnit.SECONDS)
            .describe(DescribeRequest.getDefaultInstance(), new End<>(answer)));
  }

  private static Status.Code run(Channel caller) throws Exception {
    return end(answer ->
        WorkerGrpc.newStub(caller)
            .withDeadlineAfter(WAIT_SECONDS, TimeUnit.SECONDS)
            .run(WorkOrder.getDefaultInstance(), new End<>(answer)));
  }

  private static Status.Code exchange(Channel caller) throws Exception {
    return end(answer -> {
      StreamObserver<ExchangeMessage> messages =
          ExchangeGrpc.newStub(caller).withDeadlineAfter(WAIT_SECONDS, TimeUnit.SECONDS).stream(
              new End<>(answer));
      messages.onNext(ExchangeMessage.getDefaultInstance());
      messages.onCompleted();
    });
  }

  private static Status.Code end(Consumer<CompletableFuture<Status.Code>> call) throws Exception {
    CompletableFuture<Status.Code> answer = new CompletableFuture<>();
    call.accept(answer);
    return answer.get(WAIT_SECONDS, TimeUnit.SECONDS);
  }

  private record End<T>(CompletableFuture<Status.Code> code) implements StreamObserver<T> {
    @Override
    public void onNext(T value) {}

    @Override
    public void onError(Throwable failure) {
      code.complete(Status.fromThrowable(failure).getCode());
    }

    @Override
    public void onCompleted() {
      code.complete(Status.Code.OK);
    }
  }

  @Test
  void shouldRefuseEveryCallButHealthWithoutTheToken() throws Exception {
    for (Channel caller : new Channel[] {channel, Bearer.with("another", channel)}) {
      assertThat(describe(caller)).isEqualTo(Status.Code.UNAUTHENTICATED);
      assertThat(run(caller)).isEqualTo(Status.Code.UNAUTHENTICATED);
      assertThat(exchange(caller)).isEqualTo(Status.Code.UNAUTHENTICATED);
    }
    Status.Code health =
        end(answer ->
            HealthGrpc.newStub(channel)
                .withDeadlineAfter(WAIT_SECONDS, TimeUnit.SECONDS)
                .check(HealthCheckRequest.getDefaultInstance(), new End<>(answer)));
    assertThat(health).isEqualTo(Status.Code.OK);
  }

  @Test
  void shouldServeThoseWhoShowTheToken() throws Exception {
    Channel caller = Bearer.with(TOKEN, channel);
    assertThat(describe(caller)).isEqualTo(Status.Code.OK);
    assertThat(run(caller)).as("an empty order").isEqualTo(Status.Code.INVALID_ARGUMENT);
    assertThat(worker.introduction().getCallToken()).isEqualTo(TOKEN);
    assertThat(worker.description().toString()).doesNotContain(TOKEN);
  }
}
