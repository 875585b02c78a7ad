package dev.longtake.coordinator.jobs;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.DataType;
import dev.longtake.v1.SamplerState;
import dev.longtake.v1.StatePart;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.TensorSlice;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Puts a sampler's states together from the parts of all ranks. Ranks go in step, so no more than {@link #MAX_OPEN} states are ever
 * incomplete. Thread-safe.
 */
final class StateCollector {
  /** States under way; older ones can't be completed any more. */
  private static final int MAX_OPEN = 2;

  private static final int FRAME_AXIS = 2;

  private final List<Long> shape;
  private final TreeMap<Integer, Open> open = new TreeMap<>();

  /**
   * @param shape of the latents, [samples, channels, frames, height, width]
   */
  StateCollector(List<Long> shape) {
    this.shape = List.copyOf(shape);
  }

  private static final class Open {
    final Whole latents;
    final @Nullable Whole previous;

    Open(List<Long> shape, boolean hasPrevious) {
      latents = new Whole(shape);
      previous = hasPrevious ? new Whole(shape) : null;
    }
  }

  /**
   * Takes a part.
   *
   * @return the state that is whole now
   * @throws LongtakeException INTERNAL when the part does not fit
   */
  synchronized Optional<SamplerState> add(StatePart part) {
    int step = part.getStepsDone();
    Open state = open.computeIfAbsent(step, _ -> new Open(shape, part.hasPrevious()));
    while (open.size() > MAX_OPEN) {
      open.pollFirstEntry();
    }
    state.latents.add(part.getLatents());
    if (state.previous != null) {
      state.previous.add(part.getPrevious());
    }
    if (!state.latents.isComplete() || (state.previous != null && !state.previous.isComplete())) {
      return Optional.empty();
    }
    open.remove(step);
    SamplerState.Builder whole =
        SamplerState.newBuilder().setStepsDone(step).setLatents(state.latents.tensor());
    if (state.previous != null) {
      whole.setPrevious(state.previous.tensor());
    }
    return Optional.of(whole.build());
  }

  /** A tensor that grows from ranges of its samples and frames. */
  private static final class Whole {
    private final List<Long> shape;
    private final int planes;
    private final int frames;
    private final int channels;
    private final int frameBytes;
    private final byte[] bytes;
    private long missingBytes;

    Whole(List<Long> shape) {
      this.shape = shape;
      this.channels = Math.toIntExact(shape.get(1));
      this.planes = Math.toIntExact(shape.get(0)) * channels;
      this.frames = Math.toIntExact(shape.get(FRAME_AXIS));
      this.frameBytes = Math.toIntExact(shape.get(3) * shape.get(4) * Float.BYTES);
      this.bytes = new byte[Math.toIntExact((long) planes * frames * frameBytes)];
      this.missingBytes = bytes.length;
    }

    void add(TensorSlice slice) {
      int frameStart = slice.getEnd() == 0 ? 0 : slice.getStart();
      int frameEnd = slice.getEnd() == 0 ? frames : slice.getEnd();
      int rowStart = slice.getRowEnd() == 0 ? 0 : slice.getRowStart();
      int rowEnd = slice.getRowEnd() == 0 ? planes / channels : slice.getRowEnd();
      ByteString data = slice.getTensor().getData();
      long expected = (long) (rowEnd - rowStart) * channels * (frameEnd - frameStart) * frameBytes;
      boolean inside =
          frameStart >= 0
              && frameStart <= frameEnd
              && frameEnd <= frames
              && rowStart >= 0
              && rowStart <= rowEnd
              && rowEnd * channels <= planes;
      if (!inside || data.size() != expected) {
        throw new LongtakeException(
            ErrorCode.INTERNAL,
            "Expected a part of latents %s, but got frames %d to %d of rows %d to %d in %d bytes"
                .formatted(shape, frameStart, frameEnd, rowStart, rowEnd, data.size()));
      }
      int length = (frameEnd - frameStart) * frameBytes;
      int from = 0;
      for (int plane = rowStart * channels; plane < rowEnd * channels; plane++) {
        data.substring(from, from + length)
            .copyTo(bytes, (plane * frames + frameStart) * frameBytes);
        from += length;
      }
      missingBytes -= data.size();
    }

    boolean isComplete() {
      return missingBytes == 0;
    }

    Tensor tensor() {
      return Tensor.newBuilder()
          .setDataType(DataType.DATA_TYPE_F32)
          .addAllShape(shape)
          .setData(UnsafeByteOperations.unsafeWrap(bytes))
          .build();
    }
  }
}
