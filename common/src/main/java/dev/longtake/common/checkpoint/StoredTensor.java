package dev.longtake.common.checkpoint;

/**
 * A tensor and where its bytes lie.
 *
 * @param offsetBytes of the first element, counted from where the format counts
 */
record StoredTensor(TensorInfo info, long offsetBytes) {
  String name() {
    return info.name();
  }

  long endBytes() {
    return offsetBytes + info.sizeBytes();
  }
}
