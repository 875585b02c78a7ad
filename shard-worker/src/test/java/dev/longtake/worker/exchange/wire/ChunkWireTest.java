package dev.longtake.worker.exchange.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnknownFieldSet;
import dev.longtake.v1.ExchangeChunk;
import dev.longtake.v1.ExchangeHello;
import dev.longtake.v1.ExchangeMessage;
import dev.longtake.v1.ExchangeSlot;
import io.grpc.Detachable;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

/** What is written by hand reads as the generated class does, and the other way round. */
final class ChunkWireTest {
  private static final long SEED = 20261125L;
  private static final int ROUNDS = 300;

  private final PayloadCopy copy = new PayloadCopy();

  /** A stream as gRPC passes it, which knows whether what it held was given back. */
  private static final class Buffers extends ByteArrayInputStream implements Detachable {
    boolean isClosed;

    Buffers(byte[] bytes) {
      super(bytes);
    }

    @Override
    public InputStream detach() {
      return this;
    }

    @Override
    public void close() {
      isClosed = true;
    }
  }

  /** Some fields are 0 or empty, payloads have up to several blocks. */
  private static ExchangeChunk random(SplittableRandom random) {
    byte[] payload = new byte[random.nextInt(50_000)];
    random.nextBytes(payload);
    var checksum = new CRC32C();
    checksum.update(payload);
    return ExchangeChunk.newBuilder()
        .setJobId(random.nextInt(4) == 0 ? "" : "job-" + random.nextLong())
        .setAttempt(random.nextInt(3))
        .setFromRank(random.nextInt(3))
        .setLane(random.nextInt(3))
        .setPlace("step %d, before bl\u00f6cke.%d".formatted(random.nextInt(99), random.nextInt(9)))
        .setPoint(random.nextLong() >>> random.nextInt(64))
        .setTotalBytes(random.nextLong() >>> random.nextInt(64))
        .setOffsetBytes(random.nextLong() >>> random.nextInt(64))
        .setPayload(ByteString.copyFrom(payload))
        .setCrc32C((int) checksum.getValue())
        .build();
  }

  private OutgoingChunk outgoing(ExchangeChunk chunk) {
    var place =
        new ChunkPlace(
            chunk.getJobId(),
            chunk.getAttempt(),
            chunk.getFromRank(),
            chunk.getLane(),
            chunk.getPlace(),
            chunk.getPoint(),
            chunk.getTotalBytes());
    return new OutgoingChunk(
        place,
        chunk.getOffsetBytes(),
        MemorySegment.ofArray(chunk.getPayload().toByteArray()),
        /* start= */ 0,
        chunk.getPayload().size(),
        copy);
  }

  private void assertReads(byte[] bytes, ExchangeChunk expected, String what) {
    IncomingChunk chunk =
        ((IncomingMessage.Chunk) IncomingMessage.read(new Buffers(bytes))).chunk();
    assertThat(chunk.head()).as(what).isEqualTo(ChunkHead.of(expected));
    byte[] payload = new byte[expected.getPayload().size()];
    assertThat(chunk.copyTo(MemorySegment.ofArray(payload), copy)).as(what).isTrue();
    assertThat(payload).as(what).isEqualTo(expected.getPayload().toByteArray());
    assertThat(chunk.sentChecksum()).as(what).isEqualTo(expected.getCrc32C());
    chunk.close();
  }

  private static byte[] message(ExchangeChunk chunk) {
    return ExchangeMessage.newBuilder().setChunk(chunk).build().toByteArray();
  }

  @Test
  void shouldWriteWhatTheGeneratedClassReads() throws IOException {
    var random = new SplittableRandom(SEED);
    for (int round = 0; round < ROUNDS; round++) {
      ExchangeChunk chunk = random(random);
      OutgoingChunk outgoing = outgoing(chunk);
      int size = outgoing.available();
      var bytes = new ByteArrayOutputStream();
      assertThat(outgoing.drainTo(bytes)).isEqualTo(size).isEqualTo(bytes.size());
      assertThat(outgoing.available()).isZero();
      assertThat(ExchangeMessage.parseFrom(bytes.toByteArray()).getChunk())
          .as("seed %d, round %d", SEED, round)
          .isEqualTo(chunk);
      assertThat(outgoing(chunk).readAllBytes()).isEqualTo(bytes.toByteArray());
    }
  }

  @Test
  void shouldReadWhatWeOrTheGeneratedClassWrites() throws IOException {
    var random = new SplittableRandom(SEED);
    for (int round = 0; round < ROUNDS; round++) {
      ExchangeChunk chunk = random(random);
      String what = "seed %d, round %d".formatted(SEED, round);
      assertReads(message(chunk), chunk, what + ", generated");
      var bytes = new ByteArrayOutputStream();
      outgoing(chunk).drainTo(bytes);
      assertReads(bytes.toByteArray(), chunk, what + ", ours");
    }
  }

  /** Also with the slot's fields the other way round, which only protobuf reads, and cut off anywhere, which nobody does. */
  @Test
  void shouldReadWhereThePayloadLiesWhenItIsInASlot() {
    var random = new SplittableRandom(SEED);
    for (int round = 0; round < ROUNDS; round++) {
      long offset = 1 + (random.nextLong() >>> (1 + random.nextInt(62)));
      var slot =
          ExchangeSlot.newBuilder().setOffset(offset).setBytes(1 + random.nextInt(1 << 20)).build();
      ExchangeChunk chunk =
          random(random).toBuilder()
              .clearPayload()
              .setCrc32C(random.nextInt())
              .setSlot(slot)
              .build();
      String what = "seed %d, round %d".formatted(SEED, round);
      byte[] bytes = message(chunk);
      assertReadsSlot(bytes, chunk, what);
      ByteString fields = slot.toByteString();
      int second = CodedOutputStream.computeInt64Size(ExchangeSlot.OFFSET_FIELD_NUMBER, offset);
      assertReadsSlot(
          joined(
              chunk.toBuilder().clearSlot().build().toByteString(),
              ByteString.copyFrom(
                  new byte[] {
                    (byte) (ExchangeChunk.SLOT_FIELD_NUMBER << 3 | 2), (byte) fields.size()
                  }),
              fields.substring(second),
              fields.substring(0, second)),
          chunk,
          what + ", turned round");
      var cut = new Buffers(Arrays.copyOf(bytes, random.nextInt(1, bytes.length)));
      assertThatThrownBy(() -> IncomingMessage.read(cut))
          .as(what)
          .isInstanceOf(StatusRuntimeException.class);
      assertThat(cut.isClosed).isTrue();
    }
  }

  private static void assertReadsSlot(byte[] bytes, ExchangeChunk expected, String what) {
    var buffers = new Buffers(bytes);
    IncomingChunk chunk = ((IncomingMessage.Chunk) IncomingMessage.read(buffers)).chunk();
    assertThat(chunk.head()).as(what).isEqualTo(ChunkHead.of(expected));
    assertThat(chunk.slot()).as(what).hasValue(expected.getSlot().getOffset());
    assertThat(chunk.sentChecksum()).as(what).isEqualTo(expected.getCrc32C());
    assertThat(buffers.isClosed).as(what).isTrue();
  }

  @Test
  void shouldReadChunkWhenFieldsAreUnknownOrInAnotherOrder() {
    var random = new SplittableRandom(SEED);
    for (int round = 0; round < ROUNDS; round++) {
      ExchangeChunk chunk = random(random);
      var future =
          UnknownFieldSet.newBuilder()
              .addField(99, UnknownFieldSet.Field.newBuilder().addVarint(round).build())
              .build();
      assertReads(
          message(chunk.toBuilder().setUnknownFields(future).build()), chunk, "unknown " + round);
      // Fields of a message may come in parts, as two messages one behind the other.
      byte[] last = message(ExchangeChunk.newBuilder().setPoint(chunk.getPoint()).build());
      byte[] first = message(chunk.toBuilder().clearPoint().build());
      byte[] both = Arrays.copyOf(first, first.length + last.length);
      System.arraycopy(last, 0, both, first.length, last.length);
      assertReads(both, chunk, "parts " + round);
    }
  }

  /** The message of a chunk whose fields come in parts, which protobuf joins; of a field that comes twice the last one counts. */
  private static byte[] joined(ByteString... parts) {
    ByteString inner = ByteString.copyFrom(Arrays.asList(parts));
    var field = UnknownFieldSet.Field.newBuilder().addLengthDelimited(inner).build();
    return UnknownFieldSet.newBuilder()
        .addField(ExchangeMessage.CHUNK_FIELD_NUMBER, field)
        .build()
        .toByteArray();
  }

  @Test
  void shouldTakeTheLastValueWhenAFieldComesAgain() {
    ExchangeChunk chunk =
        random(new SplittableRandom(SEED)).toBuilder().setJobId("j1").setPoint(7).build();
    ByteString point = ExchangeChunk.newBuilder().setPoint(8).build().toByteString();
    ExchangeChunk later = chunk.toBuilder().setPoint(8).build();
    assertReads(joined(point, chunk.toByteString()), chunk, "before the others");
    assertReads(joined(chunk.toByteString(), point), later, "behind the checksum");
    // More than the head that is kept.
    ByteString[] many = new ByteString[2000];
    Arrays.fill(many, point);
    many[many.length - 1] = chunk.toByteString();
    assertReads(joined(many), chunk, "many times");
  }

  @Test
  void shouldGiveBuffersBackWhenMessageIsNoneFromTheStart() {
    byte[] garbage = new byte[100_000];
    Arrays.fill(garbage, (byte) 0x0f);
    var buffers = new Buffers(garbage);
    assertThatThrownBy(() -> IncomingMessage.read(buffers))
        .isInstanceOf(StatusRuntimeException.class)
        .hasMessageContaining("Expected an ExchangeMessage");
    assertThat(buffers.available()).isPositive();
    assertThat(buffers.isClosed).isTrue();
  }

  @Test
  void shouldReadChunkWhenItsPlaceIsLongerThanAnyOfOurs() {
    ExchangeChunk chunk =
        random(new SplittableRandom(SEED)).toBuilder().setPlace("x".repeat(5000)).build();
    assertReads(message(chunk), chunk, "a long place");
  }

  /** Whatever is cut off: either it is refused, or protobuf reads the same of it. Nothing stays held. */
  @Test
  void shouldReadNothingElseWhenMessageIsCutOff() {
    ExchangeChunk chunk =
        random(new SplittableRandom(SEED)).toBuilder()
            .setPayload(ByteString.copyFrom(new byte[40]))
            .build();
    byte[] whole = message(chunk);
    for (int length = 0; length < whole.length; length++) {
      var cut = new Buffers(Arrays.copyOf(whole, length));
      boolean isValid = true;
      try {
        var _ = ExchangeMessage.parseFrom(Arrays.copyOf(whole, length));
      } catch (InvalidProtocolBufferException e) {
        isValid = false;
      }
      if (isValid) {
        assertThat(IncomingMessage.read(cut)).isInstanceOf(IncomingMessage.Unknown.class);
      } else {
        assertThatThrownBy(() -> IncomingMessage.read(cut))
            .as("%d bytes", length)
            .isInstanceOfSatisfying(
                StatusRuntimeException.class,
                e -> assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.INTERNAL));
      }
      assertThat(cut.isClosed).as("%d bytes", length).isTrue();
    }
  }

  @Test
  void shouldTellWhenPayloadIsNotWhatWasSent() {
    var random = new SplittableRandom(SEED);
    ExchangeChunk chunk =
        random(random).toBuilder().setPayload(ByteString.copyFrom(new byte[20_000])).build();
    byte[] sent = message(chunk.toBuilder().setCrc32C(crcOf(20_000)).build());
    for (int i = 0; i < 50; i++) {
      byte[] changed = sent.clone();
      // In the payload or in the checksum behind it.
      int at = sent.length - 1 - random.nextInt(20_000);
      if (at == sent.length - 1 - Integer.BYTES) {
        continue;
      }
      changed[at] ^= (byte) (1 << random.nextInt(8));
      try (IncomingChunk incoming =
          ((IncomingMessage.Chunk) IncomingMessage.read(new Buffers(changed))).chunk()) {
        assertThat(incoming.copyTo(MemorySegment.ofArray(new byte[20_000]), copy))
            .as("byte %d", at)
            .isFalse();
      }
    }
  }

  private static int crcOf(int zeros) {
    var checksum = new CRC32C();
    checksum.update(new byte[zeros]);
    return (int) checksum.getValue();
  }

  @Test
  void shouldHoldBuffersUntilChunkIsClosed() {
    ExchangeChunk chunk = random(new SplittableRandom(SEED)).toBuilder().setJobId("j1").build();
    var buffers = new Buffers(message(chunk));
    IncomingChunk incoming = ((IncomingMessage.Chunk) IncomingMessage.read(buffers)).chunk();
    assertThat(buffers.isClosed).isFalse();
    incoming.close();
    assertThat(buffers.isClosed).isTrue();
  }

  @Test
  void shouldReadHelloAndNothing() {
    ExchangeHello hello = ExchangeHello.newBuilder().setJobId("j1").setStream(3).build();
    byte[] bytes = ExchangeMessage.newBuilder().setHello(hello).build().toByteArray();
    assertThat(IncomingMessage.read(new Buffers(bytes)))
        .isEqualTo(new IncomingMessage.Hello(hello));
    assertThat(IncomingMessage.read(new ByteArrayInputStream(bytes)))
        .isEqualTo(new IncomingMessage.Hello(hello));
    assertThat(IncomingMessage.read(new Buffers(new byte[0])))
        .isEqualTo(new IncomingMessage.Unknown());
  }
}
