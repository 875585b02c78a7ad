package dev.longtake.worker.exchange;

import static dev.longtake.worker.exchange.ExchangeTransportContract.failureOf;
import static dev.longtake.worker.exchange.ExchangeTransportContract.receiveFrom;
import static dev.longtake.worker.exchange.ExchangeTransportContract.until;
import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnknownFieldSet;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.v1.ExchangeChunk;
import dev.longtake.v1.ExchangeCredit;
import dev.longtake.v1.ExchangeGrpc;
import dev.longtake.v1.ExchangeHello;
import dev.longtake.v1.ExchangeMessage;
import dev.longtake.v1.ExchangeSharedMemory;
import dev.longtake.v1.ExchangeSlot;
import dev.longtake.worker.exchange.shared.SharedSlots;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.extension.ExtendWith;

/** How a worker treats the streams of peers, good and bad: the peer is written by hand on the generated stub. */
@ExtendWith(NoLeaks.class)
final class ExchangeHubTest {
  private static final Duration LONG = Duration.ofSeconds(60);

  private @Nullable LoopbackWorkers workers;
  private @Nullable ManagedChannel channel;
  private @Nullable GrpcGang exchange;

  @AfterEach
  void close() throws InterruptedException {
    if (exchange != null) {
      exchange.close();
    }
    if (channel != null) {
      channel.shutdownNow();
      assertThat(channel.awaitTermination(20, TimeUnit.SECONDS)).isTrue();
    }
    if (workers != null) {
      workers.close();
    }
  }

  private LoopbackWorkers start(Duration orderWait, int maxWaiting) {
    workers =
        new LoopbackWorkers(2, new ExchangeSettings(1024, 4, 1, true, LONG, orderWait, maxWaiting));
    channel = Endpoints.connect(workers.address(0));
    return workers;
  }

  /** Worker 0 as rank 0; rank 1 is the test's hand-written peer. */
  private GrpcGang open(LoopbackWorkers on, long attempt) {
    exchange = on.hub(0).open("j1", attempt, 0, GangMember.at(on.addresses()), 1, LONG);
    return exchange;
  }

  private final class HandWrittenPeer implements StreamObserver<ExchangeCredit> {
    final List<Integer> credits = new CopyOnWriteArrayList<>();
    final List<Long> freeSlots = new CopyOnWriteArrayList<>();
    volatile boolean hasSharedMemory;
    final CompletableFuture<Status> end = new CompletableFuture<>();
    final StreamObserver<ExchangeMessage> requests;
    volatile @Nullable Throwable error;

    HandWrittenPeer() {
      if (channel == null) {
        throw new IllegalStateException("Expected start() to be called first");
      }
      requests = ExchangeGrpc.newStub(channel).stream(this);
    }

    HandWrittenPeer hello(long attempt, int fromRank, int toRank) {
      return hello(attempt, fromRank, toRank, ExchangeHub.PROTOCOL);
    }

    HandWrittenPeer hello(long attempt, int fromRank, int toRank, int protocol) {
      return hello(
          ExchangeHello.newBuilder()
              .setAttempt(attempt)
              .setFromRank(fromRank)
              .setToRank(toRank)
              .setProtocol(protocol));
    }

    /** As rank 1 to rank 0. */
    HandWrittenPeer hello(ExchangeSharedMemory offer) {
      return hello(
          ExchangeHello.newBuilder()
              .setAttempt(1)
              .setFromRank(1)
              .setProtocol(ExchangeHub.PROTOCOL)
              .setSharedMemory(offer));
    }

    private HandWrittenPeer hello(ExchangeHello.Builder hello) {
      requests.onNext(ExchangeMessage.newBuilder().setHello(hello.setJobId("j1")).build());
      return this;
    }

    void chunk(ExchangeChunk chunk) {
      requests.onNext(ExchangeMessage.newBuilder().setChunk(chunk).build());
    }

    Status awaitEnd() {
      return ExchangeTransportContract.get(end);
    }

    ErrorCode endCode() {
      var _ = awaitEnd();
      Throwable failure = error;
      assertThat(failure).isNotNull();
      return failure == null ? ErrorCode.INTERNAL : GrpcErrors.fromStatus(failure, "worker").code();
    }

    @Override
    public void onNext(ExchangeCredit credit) {
      hasSharedMemory |= credit.getHasSharedMemory();
      freeSlots.addAll(credit.getFreeSlotsList());
      credits.add(credit.getChunks());
    }

    @Override
    public void onError(Throwable t) {
      error = t;
      end.complete(Status.fromThrowable(t));
    }

    @Override
    public void onCompleted() {
      end.complete(Status.OK);
    }
  }

  private static ExchangeChunk.Builder chunk(long point, long offset, long total, byte[] payload) {
    var checksum = new CRC32C();
    checksum.update(payload);
    return ExchangeChunk.newBuilder()
        .setJobId("j1")
        .setAttempt(1)
        .setFromRank(1)
        .setPlace("step 7")
        .setPoint(point)
        .setOffsetBytes(offset)
        .setTotalBytes(total)
        .setCrc32C((int) checksum.getValue())
        .setPayload(ByteString.copyFrom(payload));
  }

  @Test
  void shouldNamePeerAndEndStreamWhenChecksumIsWrong() {
    var on = start(LONG, 4);
    var receiver = open(on, 1);
    var peer = new HandWrittenPeer().hello(1, 1, 0);
    peer.chunk(chunk(0, 0, 4, new byte[] {1, 2, 3, 4}).setCrc32C(77).build());
    LongtakeException failure = failureOf(() -> receiveFrom(receiver.lane(0), 1, 4));
    assertThat(failure.code()).isEqualTo(ErrorCode.CHECKSUM_MISMATCH);
    assertThat(failure)
        .hasMessageContaining("rank 1 at " + on.address(1))
        .hasMessageContaining("step 7");
    assertThat(peer.awaitEnd().getCode()).isEqualTo(Status.Code.DATA_LOSS);
    assertThat(peer.endCode()).isEqualTo(ErrorCode.CHECKSUM_MISMATCH);
  }

  @Test
  void shouldAcceptChunkWhenItHasAFieldOfANewerVersion() {
    var receiver = open(start(LONG, 4), 1);
    var peer = new HandWrittenPeer().hello(1, 1, 0);
    var newer =
        UnknownFieldSet.newBuilder()
            .addField(
                99,
                UnknownFieldSet.Field.newBuilder()
                    .addLengthDelimited(ByteString.copyFromUtf8("a field of the future"))
                    .build())
            .build();
    peer.chunk(chunk(0, 0, 3, new byte[] {1, 2}).setUnknownFields(newer).build());
    peer.chunk(chunk(0, 2, 3, new byte[] {3}).setUnknownFields(newer).build());
    assertThat(receiveFrom(receiver.lane(0), 1, 3)).containsExactly(1, 2, 3);
    until(() -> peer.credits.equals(List.of(4, 2)));
  }

  @Test
  void shouldFailWhenPointOffsetOrTotalIsUnexpected() {
    var on = start(LONG, 4);
    long attempt = 1;
    for (ExchangeChunk wrong :
        List.of(
            chunk(1, 0, 4, new byte[4]).build(),
            chunk(0, 0, 4, new byte[4]).setJobId("j2").build(),
            chunk(0, 0, 4, new byte[4]).setAttempt(99).build(),
            chunk(0, 0, 4, new byte[4]).setFromRank(0).build(),
            chunk(0, 0, 4, new byte[4]).setLane(1).build(),
            chunk(0, 4, 4, new byte[1]).build(),
            chunk(0, -1, 4, new byte[1]).build(),
            chunk(0, 0, 5, new byte[4]).build(),
            chunk(0, 0, 4, new byte[5]).build(),
            chunk(0, 0, 4, new byte[0]).build())) {
      try (var receiver =
          on.hub(0).open("j1", attempt, 0, GangMember.at(on.addresses()), 1, LONG)) {
        var peer = new HandWrittenPeer().hello(attempt, 1, 0);
        // Each in an attempt of its own, and of that attempt unless it is what is wrong.
        peer.chunk(wrong.getAttempt() == 1 ? wrong.toBuilder().setAttempt(attempt).build() : wrong);
        LongtakeException failure = failureOf(() -> receiveFrom(receiver.lane(0), 1, 4));
        assertThat(failure.code()).isEqualTo(ErrorCode.INTERNAL);
        assertThat(failure)
            .hasMessageContaining("Expected a part of point 0 with 4 bytes from rank 1")
            .hasMessageContaining("same program");
        assertThat(peer.awaitEnd().getCode()).isEqualTo(Status.Code.INTERNAL);
      }
      attempt++;
    }
  }

  @Test
  void shouldPutChunksInPlaceWhenTheyComeInAnyOrder() {
    var receiver = open(start(LONG, 4), 1);
    var peer = new HandWrittenPeer().hello(1, 1, 0);
    peer.chunk(chunk(0, 3, 5, new byte[] {4, 5}).build());
    peer.chunk(chunk(0, 1, 5, new byte[] {2, 3}).build());
    peer.chunk(chunk(0, 0, 5, new byte[] {1}).build());
    assertThat(receiveFrom(receiver.lane(0), 1, 5)).containsExactly(1, 2, 3, 4, 5);
  }

  @Test
  void shouldFailWhenBytesComeTwice() {
    var on = start(LONG, 4);
    long attempt = 1;
    for (int second : new int[] {0, 1, 2, 3}) {
      try (var receiver =
          on.hub(0).open("j1", attempt, 0, GangMember.at(on.addresses()), 1, LONG)) {
        var peer = new HandWrittenPeer().hello(attempt, 1, 0);
        // Ahead of what is missing, and then something that overlaps it.
        peer.chunk(chunk(0, 1, 8, new byte[3]).setAttempt(attempt).build());
        peer.chunk(chunk(0, second, 8, new byte[2]).setAttempt(attempt).build());
        LongtakeException failure = failureOf(() -> receiveFrom(receiver.lane(0), 1, 8));
        assertThat(failure).as("offset %d", second).hasMessageContaining("or got them twice");
      }
      attempt++;
    }
  }

  /** Half of the window is two of four chunks. */
  @Test
  void shouldGiveCreditsBackInGroupsWhenMessagesAreSmall() {
    var receiver = open(start(LONG, 4), 1);
    var peer = new HandWrittenPeer().hello(1, 1, 0);
    for (int point = 0; point < 4; point++) {
      peer.chunk(chunk(point, 0, 1, new byte[] {7}).build());
      assertThat(receiveFrom(receiver.lane(0), 1, 1)).containsExactly(7);
    }
    until(() -> peer.credits.equals(List.of(4, 2, 2)));
  }

  @Test
  void shouldGiveAllCreditsBackWhenAPointOfSeveralChunksEnds() {
    var receiver = open(start(LONG, 4), 1);
    var peer = new HandWrittenPeer().hello(1, 1, 0);
    peer.chunk(chunk(0, 0, 1, new byte[] {7}).build());
    assertThat(receiveFrom(receiver.lane(0), 1, 1)).containsExactly(7);
    peer.chunk(chunk(1, 0, 2, new byte[] {1}).build());
    peer.chunk(chunk(1, 1, 2, new byte[] {2}).build());
    assertThat(receiveFrom(receiver.lane(0), 1, 2)).containsExactly(1, 2);
    until(() -> peer.credits.equals(List.of(4, 2, 1)));
  }

  /** With several streams a sender waits for all credits before a point of several chunks. */
  @Test
  void shouldGiveAllCreditsBackWhenAnotherStreamComes() {
    var receiver = open(start(LONG, 4), 1);
    var peer = new HandWrittenPeer().hello(1, 1, 0);
    peer.chunk(chunk(0, 0, 1, new byte[] {7}).build());
    assertThat(receiveFrom(receiver.lane(0), 1, 1)).containsExactly(7);
    var second = new HandWrittenPeer();
    second.hello(
        ExchangeHello.newBuilder()
            .setAttempt(1)
            .setFromRank(1)
            .setStream(1)
            .setProtocol(ExchangeHub.PROTOCOL));
    until(() -> peer.credits.equals(List.of(4, 1)) && second.credits.equals(List.of(0)));
    peer.chunk(chunk(1, 0, 1, new byte[] {8}).build());
    assertThat(receiveFrom(receiver.lane(0), 1, 1)).containsExactly(8);
    until(() -> peer.credits.equals(List.of(4, 1, 1)));
    // One chunk is less than a group, too.
    peer.chunk(chunk(2, 0, 1, new byte[] {9}).build());
    assertThat(receiveFrom(receiver.lane(0), 1, 1)).containsExactly(9);
    until(() -> peer.credits.equals(List.of(4, 1, 1, 1)));
  }

  private static ExchangeChunk.Builder inSlot(long slot, byte[] payload) {
    return chunk(0, 0, payload.length, payload)
        .clearPayload()
        .setSlot(ExchangeSlot.newBuilder().setOffset(slot).setBytes(payload.length));
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void shouldTakeChunkFromSharedMemoryAndGiveTheSlotBack() {
    var receiver = open(start(LONG, 4), 1);
    try (SharedSlots slots = requireNonNull(SharedSlots.create(2, 1024))) {
      var peer = new HandWrittenPeer().hello(slots.offer());
      until(() -> peer.credits.equals(List.of(4)));
      assertThat(peer.hasSharedMemory).isTrue();
      byte[] payload = {1, 2, 3, 4};
      var _ = slots.take(4);
      long slot = slots.take(4);
      slots.at(slot, 4).copyFrom(MemorySegment.ofArray(payload));
      peer.chunk(inSlot(slot, payload).build());
      assertThat(receiveFrom(receiver.lane(0), 1, 4)).containsExactly(1, 2, 3, 4);
      until(() -> peer.credits.equals(List.of(4, 1)));
      assertThat(peer.freeSlots).containsExactly(slot);
    }
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void shouldFailWhenSharedMemoryHasOtherBytesThanTheChecksumSays() {
    var receiver = open(start(LONG, 4), 1);
    try (SharedSlots slots = requireNonNull(SharedSlots.create(2, 1024))) {
      var peer = new HandWrittenPeer().hello(slots.offer());
      peer.chunk(inSlot(slots.take(4), new byte[] {1, 2, 3, 4}).build());
      LongtakeException failure = failureOf(() -> receiveFrom(receiver.lane(0), 1, 4));
      assertThat(failure.code()).isEqualTo(ErrorCode.CHECKSUM_MISMATCH);
      assertThat(peer.endCode()).isEqualTo(ErrorCode.CHECKSUM_MISMATCH);
    }
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void shouldRefuseChunkWhenItLiesOutsideOfSharedMemory() {
    var receiver = open(start(LONG, 4), 1);
    try (SharedSlots slots = requireNonNull(SharedSlots.create(2, 1024))) {
      var peer = new HandWrittenPeer().hello(slots.offer());
      peer.chunk(inSlot(slots.offer().getBytes() - 3, new byte[4]).build());
      LongtakeException failure = failureOf(() -> receiveFrom(receiver.lane(0), 1, 4));
      assertThat(failure).hasMessageContaining("in memory that is shared");
      assertThat(peer.endCode()).isEqualTo(ErrorCode.INVALID_REQUEST);
    }
  }

  @Test
  void shouldRefuseChunkInSharedMemoryWhenNoneWasAccepted() {
    var receiver = open(start(LONG, 4), 1);
    var peer = new HandWrittenPeer().hello(ExchangeSharedMemory.getDefaultInstance());
    until(() -> peer.credits.equals(List.of(4)));
    assertThat(peer.hasSharedMemory).isFalse();
    peer.chunk(inSlot(4096, new byte[4]).build());
    LongtakeException failure = failureOf(() -> receiveFrom(receiver.lane(0), 1, 4));
    assertThat(failure).hasMessageContaining("in memory that is shared");
  }

  @Test
  void shouldRefuseStreamWhenItsProtocolIsAnother() {
    var _ = open(start(LONG, 4), 1);
    var peer = new HandWrittenPeer().hello(1, 1, 0, ExchangeHub.PROTOCOL + 1);
    assertThat(peer.endCode()).isEqualTo(ErrorCode.BUILD_MISMATCH);
  }

  @Test
  void shouldDropAndCountChunksWhenTheirAttemptWasReplaced() {
    var on = start(LONG, 4);
    try (var replaced = on.hub(0).open("j1", 1, 0, GangMember.at(on.addresses()), 1, LONG)) {
      var peer = new HandWrittenPeer().hello(1, 1, 0);
      peer.chunk(chunk(0, 0, 4, new byte[4]).build());
      until(() -> replaced.queuedBytes() == 4);
      var newer = open(on, 2);
      assertThat(peer.endCode()).isEqualTo(ErrorCode.STALE_ATTEMPT);
      assertThat(replaced.queuedBytes()).isZero();
      var next = new HandWrittenPeer().hello(2, 1, 0);
      next.chunk(chunk(0, 0, 1, new byte[] {9}).setAttempt(2).build());
      assertThat(receiveFrom(newer.lane(0), 1, 1)).containsExactly(9);
    }
    assertThat(on.hub(0).droppedChunks()).isEqualTo(1);
  }

  @Test
  void shouldEndStreamAndServeNextAttemptWhenMessageIsTooLarge() {
    var on = start(LONG, 4);
    var receiver = open(on, 1);
    var peer = new HandWrittenPeer().hello(1, 1, 0);
    peer.chunk(chunk(0, 0, 64 << 20, new byte[64 << 20]).build());
    // gRPC's server resets a stream whose message is above the limit.
    assertThat(peer.awaitEnd().getCode()).isEqualTo(Status.Code.CANCELLED);
    assertThat(failureOf(() -> receiveFrom(receiver.lane(0), 1, 64 << 20)).code())
        .isEqualTo(ErrorCode.PEER_LOST);
    receiver.close();
    var next = open(on, 2);
    new HandWrittenPeer()
        .hello(2, 1, 0)
        .chunk(chunk(0, 0, 1, new byte[] {9}).setAttempt(2).build());
    assertThat(receiveFrom(next.lane(0), 1, 1)).containsExactly(9);
  }

  @Test
  void shouldQueueNoMoreThanWindowWhenPeerIgnoresItsCredits() {
    var receiver = open(start(LONG, 4), 1);
    var peer = new HandWrittenPeer().hello(1, 1, 0);
    until(() -> peer.credits.equals(List.of(4)));
    byte[] bytes = ExchangeTransportContract.content(1, 0, 1, 0, 50);
    for (int i = 0; i < 50; i++) {
      peer.chunk(chunk(0, i, 50, new byte[] {bytes[i]}).build());
    }
    // Comes over the same connection: when it was answered, all chunks were read.
    assertThat(new HandWrittenPeer().hello(1, 1, 0).endCode()).isEqualTo(ErrorCode.WRONG_STATE);
    assertThat(peer.credits).containsExactly(4);
    assertThat(receiver.queuedChunks()).isEqualTo(4);
    assertThat(receiveFrom(receiver.lane(0), 1, 50)).isEqualTo(bytes);
  }

  @Test
  void shouldRefuseStreamWhenItsAttemptIsStale() {
    var on = start(LONG, 4);
    var _ = open(on, 2);
    assertThat(new HandWrittenPeer().hello(1, 1, 0).endCode()).isEqualTo(ErrorCode.STALE_ATTEMPT);
    assertThat(
            failureOf(() -> on.hub(0).open("j1", 1, 0, GangMember.at(on.addresses()), 1, LONG))
                .code())
        .isEqualTo(ErrorCode.STALE_ATTEMPT);
  }

  @Test
  void shouldEndOldAttemptWhenNewerOneOpens() {
    var on = start(LONG, 4);
    try (var old = on.hub(0).open("j1", 1, 0, GangMember.at(on.addresses()), 1, LONG)) {
      var peer = new HandWrittenPeer().hello(1, 1, 0);
      until(() -> peer.credits.equals(List.of(4)));
      var _ = open(on, 2);
      assertThat(peer.endCode()).isEqualTo(ErrorCode.STALE_ATTEMPT);
      assertThat(failureOf(() -> receiveFrom(old.lane(0), 1, 4)).code())
          .isEqualTo(ErrorCode.STALE_ATTEMPT);
    }
  }

  @Test
  void shouldGrantNothingUntilOrderComesWhenStreamIsFirst() {
    var on = start(LONG, 4);
    var peer = new HandWrittenPeer().hello(1, 1, 0);
    until(() -> on.hub(0).waitingStreams() == 1);
    assertThat(peer.credits).isEmpty();
    var receiver = open(on, 1);
    until(() -> peer.credits.equals(List.of(4)));
    assertThat(on.hub(0).waitingStreams()).isZero();
    peer.chunk(chunk(0, 0, 1, new byte[] {9}).build());
    assertThat(receiveFrom(receiver.lane(0), 1, 1)).containsExactly(9);
  }

  @Test
  void shouldEndStreamWhenOrderNeverComes() {
    var on = start(Duration.ofMillis(50), 4);
    var peer = new HandWrittenPeer().hello(1, 1, 0);
    assertThat(peer.awaitEnd().getCode()).isEqualTo(Status.Code.NOT_FOUND);
    assertThat(peer.endCode()).isEqualTo(ErrorCode.NO_SUCH_JOB);
    assertThat(on.hub(0).waitingStreams()).isZero();
  }

  @Test
  void shouldRefuseAtOnceWhenAttemptHasEnded() {
    var on = start(LONG, 4);
    open(on, 1).close();
    assertThat(new HandWrittenPeer().hello(1, 1, 0).endCode()).isEqualTo(ErrorCode.NO_SUCH_JOB);
  }

  @Test
  void shouldRefuseWhenTooManyStreamsWait() {
    var on = start(LONG, 1);
    var first = new HandWrittenPeer().hello(1, 1, 0);
    until(() -> on.hub(0).waitingStreams() == 1);
    assertThat(new HandWrittenPeer().hello(2, 1, 0).awaitEnd().getCode())
        .isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
    first.requests.onCompleted();
    assertThat(first.awaitEnd().isOk()).isTrue();
    assertThat(on.hub(0).waitingStreams()).isZero();
  }

  @Test
  void shouldRefuseSecondStreamWhenFirstWaitsOrLives() {
    var on = start(LONG, 4);
    var first = new HandWrittenPeer().hello(1, 1, 0);
    until(() -> on.hub(0).waitingStreams() == 1);
    assertThat(new HandWrittenPeer().hello(1, 1, 0).endCode()).isEqualTo(ErrorCode.WRONG_STATE);
    var _ = open(on, 1);
    until(() -> first.credits.equals(List.of(4)));
    assertThat(new HandWrittenPeer().hello(1, 1, 0).endCode()).isEqualTo(ErrorCode.WRONG_STATE);
    assertThat(first.end).isNotDone();
  }

  @Test
  void shouldRefuseWhenRanksAreNotThoseOfTheJob() {
    var _ = open(start(LONG, 4), 1);
    for (int[] ranks : new int[][] {{1, 1}, {0, 0}, {2, 0}, {-1, 0}}) {
      assertThat(new HandWrittenPeer().hello(1, ranks[0], ranks[1]).awaitEnd().getCode())
          .as("from %d to %d", ranks[0], ranks[1])
          .isEqualTo(Status.Code.INVALID_ARGUMENT);
    }
  }

  @Test
  void shouldRefuseWhenFirstMessageIsNoHelloOrSecondIsOne() {
    var on = start(LONG, 4);
    var receiver = open(on, 1);
    var first = new HandWrittenPeer();
    first.chunk(chunk(0, 0, 1, new byte[1]).build());
    assertThat(first.awaitEnd().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
    var second = new HandWrittenPeer().hello(1, 1, 0).hello(1, 1, 0);
    assertThat(second.awaitEnd().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
    assertThat(failureOf(() -> receiveFrom(receiver.lane(0), 1, 1)))
        .hasMessageContaining("rank 1 at " + on.address(1) + " (job j1, attempt 1)")
        .hasMessageContaining("a chunk after the hello");
  }

  @Test
  void shouldNameAddressWhenNothingListensThere() {
    var on = start(LONG, 4);
    on.server(1).shutdownNow();
    until(on.server(1)::isTerminated);
    var sender = open(on, 1);
    LongtakeException failure =
        failureOf(
            () -> ExchangeTransportContract.sendTo(sender.lane(0), 1, new byte[10], "step 1"));
    assertThat(failure.code()).isEqualTo(ErrorCode.PEER_LOST);
    assertThat(failure)
        .hasMessageContaining("rank 1 at " + on.address(1))
        .hasMessageContaining("not reachable");
  }
}
