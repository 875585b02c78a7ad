package dev.longtake.coordinator.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.Beginning;
import dev.longtake.v1.Continuation;
import dev.longtake.v1.DataType;
import dev.longtake.v1.FirstBlock;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.SegmentPrompt;
import dev.longtake.v1.StepCache;
import dev.longtake.v1.SubmitRequest;
import dev.longtake.v1.Tensor;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Tokens that anybody may have made. */
final class BeginningsTest {
  private static final ModelCard CARD =
      ModelCard.newBuilder()
          .setFingerprint("f")
          .setLatentChannels(4)
          .setSpatialCompression(8)
          .setTemporalCompression(1)
          .build();

  private static Continuation.Builder continuation() {
    return Continuation.newBuilder()
        .setModelFingerprint("f")
        .setRequest(
            GenerationRequest.newBuilder()
                .setPrompt("one")
                .setWidth(32)
                .setHeight(16)
                .setFrames(8)
                .setLongVideo(
                    LongVideo.newBuilder()
                        .setSegments(6)
                        .setOverlap(3)
                        .addPrompts(prompt(2, "two"))
                        .addPrompts(prompt(5, "five"))))
        .setSegments(2)
        .setFrames(13)
        .setSegmentsDone(2)
        .setTail(tail(1, 4, 3, 2, 4));
  }

  private static SegmentPrompt prompt(int from, String text) {
    return SegmentPrompt.newBuilder().setFromSegment(from).setPrompt(text).build();
  }

  private static Tensor tail(long... shape) {
    long values = 1;
    for (long side : shape) {
      values *= side;
    }
    Tensor.Builder tail = Tensor.newBuilder().setDataType(DataType.DATA_TYPE_F32);
    for (long side : shape) {
      tail.addShape(side);
    }
    return tail.setData(ByteString.copyFrom(new byte[(int) values * Float.BYTES])).build();
  }

  private static SubmitRequest submit(Continuation continuation) {
    return SubmitRequest.newBuilder()
        .setContinuation(ContinuationTokens.write(continuation))
        .build();
  }

  private static void assertRefused(Consumer<Continuation.Builder> change) {
    Continuation.Builder changed = continuation();
    change.accept(changed);
    SubmitRequest submit = submit(changed.build());
    assertThatThrownBy(() ->
            Beginnings.ofContinuation(submit.getContinuation(), Beginnings.request(submit), CARD))
        .isInstanceOfSatisfying(LongtakeException.class, e -> assertThat(e.field()).isPresent());
  }

  @Test
  void shouldTakeTheRestOfTheRequestFromTheToken() {
    GenerationRequest rest = Beginnings.request(submit(continuation().build()));

    assertThat(rest.getPrompt()).isEqualTo("two");
    assertThat(rest.getLongVideo().getSegments()).isEqualTo(4);
    assertThat(rest.getLongVideo().getPromptsList()).isEqualTo(List.of(prompt(3, "five")));
    Beginning given =
        Beginnings.ofContinuation(ContinuationTokens.write(continuation().build()), rest, CARD)
            .beginning();
    assertThat(given.getGivenFrames()).isEqualTo(3);
    assertThat(given.getFramesBefore()).isEqualTo(13);
  }

  @Test
  void shouldRefuseATokenWhoseTailIsNone() {
    assertRefused(token -> token.clearTail());
    assertRefused(token -> token.setTail(tail(1, 4)));
    assertRefused(token -> token.setTail(tail(1, 4, 0, 2, 4)));
    assertRefused(token -> token.setTail(tail(1, 4, 8, 2, 4)));
    assertRefused(token -> token.setTail(tail(1, 3, 3, 2, 4)));
    assertRefused(token -> token.setTail(tail(1, 4, 3, 4, 2)));
    assertRefused(token -> token.getTailBuilder().setData(ByteString.EMPTY));
    assertRefused(token -> token.getTailBuilder().setDataType(DataType.DATA_TYPE_U8));
    assertRefused(token -> token.setSegments(0));
    assertRefused(token -> token.setFrames(-1));
    assertRefused(token -> token.setModelFingerprint("another"));
    assertRefused(token -> token.getRequestBuilder().setWidth(64));
  }

  @Test
  void shouldRefuseAContinuationWithAnotherStepCache() {
    Continuation.Builder cached = continuation();
    cached.getRequestBuilder().setStepCache(firstBlock(0.1));

    GenerationRequest leftOut = Beginnings.request(submit(cached.build()));
    assertThat(leftOut.getStepCache()).isEqualTo(firstBlock(0.1));
    assertThat(Beginnings.ofContinuation(ContinuationTokens.write(cached.build()), leftOut, CARD))
        .isNotNull();
    for (Continuation.Builder before : List.of(cached, continuation())) {
      SubmitRequest other =
          submit(before.build()).toBuilder()
              .setRequest(GenerationRequest.newBuilder().setStepCache(firstBlock(0.2)))
              .build();
      assertThatThrownBy(() ->
              Beginnings.ofContinuation(other.getContinuation(), Beginnings.request(other), CARD))
          .isInstanceOfSatisfying(
              LongtakeException.class, e -> assertThat(e.field()).hasValue("step_cache"))
          .hasMessageContaining("but got first-block threshold=0.2 refresh-every=8; leave it out");
    }
  }

  private static StepCache firstBlock(double threshold) {
    return StepCache.newBuilder()
        .setFirstBlock(FirstBlock.newBuilder().setThreshold(threshold))
        .build();
  }

  @Test
  void shouldRefuseATokenWithAnyByteChanged() {
    byte[] token = ContinuationTokens.write(continuation().build()).toByteArray();
    Random random = new Random(5);
    for (int round = 0; round < 200; round++) {
      byte[] changed = token.clone();
      changed[random.nextInt(changed.length)] ^= (byte) (1 << random.nextInt(8));
      assertThatThrownBy(() -> ContinuationTokens.read(ByteString.copyFrom(changed)))
          .isInstanceOf(LongtakeException.class);
    }
    assertThat(ContinuationTokens.read(ByteString.copyFrom(token)))
        .isEqualTo(continuation().build());
  }
}
