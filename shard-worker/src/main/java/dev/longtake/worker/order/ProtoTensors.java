package dev.longtake.worker.order;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.DataType;
import dev.longtake.v1.Tensor;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;

/** Tensors of the contract to arrays and back. */
public final class ProtoTensors {
  private ProtoTensors() {}

  /** A float32 tensor. */
  public static Tensor of(float[] values, List<Long> shape) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Math.multiplyExact(values.length, 4)).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return Tensor.newBuilder()
        .setDataType(DataType.DATA_TYPE_F32)
        .addAllShape(shape)
        .setData(ByteString.copyFrom(bytes))
        .build();
  }

  /** The values of an F32 matrix, copied off the device and once more into the message. */
  static Tensor of(Device device, Matrix matrix, List<Long> shape) {
    byte[] bytes = new byte[Math.multiplyExact(4 * matrix.rows(), matrix.columns())];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(bytes.length, 64);
      device.download(matrix, host);
      MemorySegment.copy(host, ValueLayout.JAVA_BYTE, 0, bytes, 0, bytes.length);
    }
    return Tensor.newBuilder()
        .setDataType(DataType.DATA_TYPE_F32)
        .addAllShape(shape)
        .setData(UnsafeByteOperations.unsafeWrap(bytes))
        .build();
  }

  /** Booleans as one byte each. */
  public static Tensor of(boolean[] values, List<Long> shape) {
    byte[] bytes = new byte[values.length];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) (values[i] ? 1 : 0);
    }
    return Tensor.newBuilder()
        .setDataType(DataType.DATA_TYPE_U8)
        .addAllShape(shape)
        .setData(ByteString.copyFrom(bytes))
        .build();
  }

  /**
   * The values of a float32 tensor of a given shape.
   *
   * @throws LongtakeException INVALID_REQUEST naming the field, what was expected and what came
   */
  public static float[] floats(Tensor tensor, String field, long... shape) {
    check(tensor, field, DataType.DATA_TYPE_F32, 4, shape);
    float[] values = new float[tensor.getData().size() / 4];
    tensor
        .getData()
        .asReadOnlyByteBuffer()
        .order(ByteOrder.LITTLE_ENDIAN)
        .asFloatBuffer()
        .get(values);
    return values;
  }

  /**
   * The values of a byte tensor of a given shape as booleans.
   *
   * @throws LongtakeException INVALID_REQUEST
   */
  public static boolean[] booleans(Tensor tensor, String field, long... shape) {
    check(tensor, field, DataType.DATA_TYPE_U8, 1, shape);
    boolean[] values = new boolean[tensor.getData().size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.getData().byteAt(i) != 0;
    }
    return values;
  }

  private static void check(Tensor tensor, String field, DataType type, int size, long... shape) {
    List<Long> expected = Arrays.stream(shape).boxed().toList();
    long bytes = Arrays.stream(shape).reduce(size, Math::multiplyExact);
    if (tensor.getDataType() != type
        || !tensor.getShapeList().equals(expected)
        || tensor.getData().size() != bytes) {
      throw LongtakeException.invalidField(
          field,
          "Expected %s to be %s of shape %s (%d bytes), but got %s of shape %s (%d bytes)"
              .formatted(
                  field,
                  type,
                  expected,
                  bytes,
                  tensor.getDataType(),
                  tensor.getShapeList(),
                  tensor.getData().size()));
    }
  }
}
