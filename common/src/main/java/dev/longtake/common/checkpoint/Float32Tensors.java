package dev.longtake.common.checkpoint;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.NearNames;
import dev.longtake.common.error.Quoted;
import dev.longtake.common.tensor.Bfloat16;
import dev.longtake.common.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;

/** A checkpoint's tensors as the float32 that the engine packs its weights from. */
final class Float32Tensors {
  /** A cache line, and the widest vector; conversions start on one. */
  private static final long ALIGNMENT_BYTES = 64;

  private static final ValueLayout.OfFloat TO =
      ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort FROM_16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfDouble FROM_64 =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private Float32Tensors() {}

  static MemorySegment read(
      Checkpoint checkpoint, String name, Arena scratch, long... expectedShape) {
    TensorInfo info = require(checkpoint, name, expectedShape);
    if (info.dtype() == DType.F32) {
      return read(checkpoint.bytes(name, scratch), DType.F32, scratch);
    }
    try (Arena own = Arena.ofConfined()) {
      return read(checkpoint.bytes(name, own), info.dtype(), scratch);
    }
  }

  /** Floating-point numbers as float32, aligned: themselves where they are both already, else a copy. */
  static MemorySegment read(MemorySegment from, DType type, Arena scratch) {
    // A header of odd length, or bytes in front, can leave float32 at odd addresses, which vector
    // loads dislike.
    if (type == DType.F32 && from.address() % Float.BYTES == 0) {
      return from;
    }
    MemorySegment to =
        scratch.allocate(
            Math.multiplyExact(from.byteSize() / type.sizeBytes(), (long) Float.BYTES),
            ALIGNMENT_BYTES);
    convert(from, type, to);
    return to;
  }

  /**
   * Writes floating-point numbers as float32.
   *
   * @param to aligned to 4 bytes, as many elements as {@code from}
   */
  static void convert(MemorySegment from, DType type, MemorySegment to) {
    long elements = from.byteSize() / type.sizeBytes();
    switch (type) {
      case F32 -> to.copyFrom(from);
      case F16 -> {
        for (long i = 0; i < elements; i++) {
          to.setAtIndex(TO, i, Float.float16ToFloat(from.getAtIndex(FROM_16, i)));
        }
      }
      case BF16 -> {
        for (long i = 0; i < elements; i++) {
          to.setAtIndex(TO, i, Bfloat16.toFloat(from.getAtIndex(FROM_16, i)));
        }
      }
      case F64 -> {
        for (long i = 0; i < elements; i++) {
          to.setAtIndex(TO, i, (float) from.getAtIndex(FROM_64, i));
        }
      }
      case I64, I32, I16, I8, U8, BOOL ->
          throw new IllegalArgumentException("Expected floating-point numbers, but got " + type);
    }
  }

  /** Checks name, shape and type without touching the data. */
  static TensorInfo require(Checkpoint checkpoint, String name, long... expectedShape) {
    TensorInfo info = checkpoint.info(name).orElseThrow(() -> missing(checkpoint, name));
    List<Long> expected = Arrays.stream(expectedShape).boxed().toList();
    if (!info.shape().equals(expected)) {
      throw invalid(
          checkpoint,
          name,
          "of shape " + expected,
          "its shape is "
              + info.shape()
              + "; the config and the weights belong to different models");
    }
    requireFloat(checkpoint, info);
    return info;
  }

  static void requireFloat(Checkpoint checkpoint, TensorInfo info) {
    switch (info.dtype()) {
      case F64, F32, F16, BF16 -> {}
      case I64, I32, I16, I8, U8, BOOL -> throw notFloat(checkpoint, info);
    }
  }

  private static LongtakeException notFloat(Checkpoint checkpoint, TensorInfo info) {
    return invalid(
        checkpoint,
        info.name(),
        "of type F64, F32, F16 or BF16",
        "it is " + info.dtype() + "; convert the checkpoint to floating point");
  }

  /** Says which names come closest, since a missing tensor is most often a misnamed one. */
  static LongtakeException missing(Checkpoint checkpoint, String name) {
    List<String> near = NearNames.of(name, checkpoint.names());
    return invalid(
        checkpoint,
        name,
        "",
        near.isEmpty()
            ? "it is missing; use the checkpoint that belongs to the config"
            : "it is missing; the closest names there are "
                + String.join(", ", near.stream().map(Quoted::of).toList()));
  }

  private static LongtakeException invalid(
      Checkpoint checkpoint, String name, String wanted, String found) {
    return new LongtakeException(
        ErrorCode.INVALID_CHECKPOINT,
        "Expected a tensor %s%s in %s, but %s"
            .formatted(
                Quoted.of(name),
                wanted.isEmpty() ? "" : " " + wanted,
                checkpoint.location(),
                found));
  }
}
