package dev.longtake.coordinator.jobs;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.DataType;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.TensorSlice;
import java.util.List;

/** Latents that are gathered from the ranks' ranges of samples and frames. Not thread-safe. */
final class GatheredLatents {
  private static final int FRAME_AXIS = 2;

  private final List<Long> shape;
  private final int planes;
  private final int frames;
  private final int channels;
  private final int frameBytes;
  private final byte[] bytes;
  private long missingBytes;

  /**
   * @param shape [samples, channels, frames, height, width]
   */
  GatheredLatents(List<Long> shape) {
    this.shape = List.copyOf(shape);
    this.channels = Math.toIntExact(shape.get(1));
    this.planes = Math.toIntExact(shape.get(0)) * channels;
    this.frames = Math.toIntExact(shape.get(FRAME_AXIS));
    this.frameBytes = Math.toIntExact(shape.get(3) * shape.get(4) * Float.BYTES);
    this.bytes = new byte[Math.toIntExact((long) planes * frames * frameBytes)];
    this.missingBytes = bytes.length;
  }

  /**
   * @throws LongtakeException INTERNAL when the part does not fit
   */
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
      data.substring(from, from + length).copyTo(bytes, (plane * frames + frameStart) * frameBytes);
      from += length;
    }
    missingBytes -= data.size();
  }

  boolean isComplete() {
    return missingBytes == 0;
  }

  /** All of them; nothing may be added any more. */
  Tensor tensor() {
    return Tensor.newBuilder()
        .setDataType(DataType.DATA_TYPE_F32)
        .addAllShape(shape)
        .setData(UnsafeByteOperations.unsafeWrap(bytes))
        .build();
  }
}
