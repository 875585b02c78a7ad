package dev.longtake.common.tensor;

/** Element types of checkpoints, tensors and the wire. Little-endian. */
public enum DType {
  F64(8),
  F32(4),
  /** The upper half of a float32. */
  BF16(2),
  F16(2),
  I64(8),
  I32(4),
  I16(2),
  I8(1),
  U8(1),
  /** One byte, 0 or 1. */
  BOOL(1);

  private final int sizeBytes;

  DType(int sizeBytes) {
    this.sizeBytes = sizeBytes;
  }

  /** Bytes per element. */
  public int sizeBytes() {
    return sizeBytes;
  }
}
