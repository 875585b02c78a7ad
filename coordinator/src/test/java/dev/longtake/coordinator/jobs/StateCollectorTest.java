package dev.longtake.coordinator.jobs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.partition.Partition;
import dev.longtake.common.partition.Range;
import dev.longtake.v1.FirstBlock;
import dev.longtake.v1.SamplerState;
import dev.longtake.v1.StatePart;
import dev.longtake.v1.StepCache;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.TensorSlice;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class StateCollectorTest {
  private static final int SAMPLES = 2;
  private static final int CHANNELS = 3;
  private static final int FRAMES = 7;
  private static final int FRAME_BYTES = 2 * 5 * Float.BYTES;
  private static final List<Long> SHAPE = List.of(2L, 3L, 7L, 2L, 5L);

  private final StateCollector collector =
      new StateCollector(SHAPE, StepCache.getDefaultInstance());

  private static byte[] whole(Random random) {
    byte[] bytes = new byte[SAMPLES * CHANNELS * FRAMES * FRAME_BYTES];
    random.nextBytes(bytes);
    return bytes;
  }

  /** The frames of all samples and channels. */
  private static TensorSlice slice(byte[] whole, Range frames) {
    ByteString.Output data = ByteString.newOutput();
    for (int plane = 0; plane < SAMPLES * CHANNELS; plane++) {
      data.write(
          whole, (plane * FRAMES + frames.start()) * FRAME_BYTES, frames.size() * FRAME_BYTES);
    }
    return TensorSlice.newBuilder()
        .setTensor(Tensor.newBuilder().setData(data.toByteString()))
        .setStart(frames.start())
        .setEnd(frames.end())
        .build();
  }

  @Test
  void shouldSayWhichStepCacheAStateWasMadeWith() {
    StepCache cache =
        StepCache.newBuilder().setFirstBlock(FirstBlock.newBuilder().setThreshold(0.1)).build();
    StatePart part =
        StatePart.newBuilder()
            .setStepsDone(8)
            .setRestReused(5)
            .setLatents(slice(whole(new Random(6)), new Range(0, FRAMES)))
            .build();

    SamplerState state = new StateCollector(SHAPE, cache).add(part).orElseThrow();

    assertThat(state.getStepCache()).isEqualTo(cache);
    assertThat(state.getRestReused()).isEqualTo(5);
    assertThat(collector.add(part).orElseThrow().hasStepCache()).isFalse();
  }

  @Test
  void shouldPutTogetherWhatAnyRanksSendInAnyOrder() {
    Random random = new Random(5);
    for (int step = 1; step <= 50; step++) {
      int ranks = 1 + random.nextInt(FRAMES);
      byte[] latents = whole(random);
      byte[] previous = whole(random);
      boolean remembers = random.nextBoolean();
      List<StatePart> parts = new ArrayList<>();
      for (int rank = 0; rank < ranks; rank++) {
        Range frames = new Partition(FRAMES, ranks).of(rank);
        StatePart.Builder part =
            StatePart.newBuilder().setStepsDone(step).setLatents(slice(latents, frames));
        if (remembers) {
          part.setPrevious(slice(previous, frames));
        }
        parts.add(part.build());
      }
      Collections.shuffle(parts, random);

      for (StatePart part : parts.subList(0, ranks - 1)) {
        assertThat(collector.add(part)).isEmpty();
      }
      SamplerState state = collector.add(parts.getLast()).orElseThrow();

      assertThat(state.getStepsDone()).isEqualTo(step);
      assertThat(state.getLatents().getShapeList()).isEqualTo(SHAPE);
      assertThat(state.getLatents().getData().toByteArray()).isEqualTo(latents);
      assertThat(state.hasPrevious()).isEqualTo(remembers);
      if (remembers) {
        assertThat(state.getPrevious().getData().toByteArray()).isEqualTo(previous);
      }
    }
  }

  @Test
  void shouldForgetStatesThatWereOvertakenAndRefuseWhatDoesNotFit() {
    byte[] latents = whole(new Random(1));
    Range first = new Range(0, 3);
    Range rest = new Range(3, FRAMES);
    for (int step = 1; step <= 3; step++) {
      assertThat(add(step, slice(latents, first))).isEmpty();
    }

    assertThat(add(1, slice(latents, rest))).as("overtaken by two").isEmpty();
    assertThat(add(3, slice(latents, rest))).isPresent();
    assertThatThrownBy(() -> add(4, slice(latents, rest).toBuilder().setStart(2).build()))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("frames 2 to 7");
  }

  private Optional<SamplerState> add(int step, TensorSlice latents) {
    return collector.add(StatePart.newBuilder().setStepsDone(step).setLatents(latents).build());
  }
}
