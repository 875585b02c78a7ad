package dev.longtake.worker.device.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A oneDNN matrix product of one shape, {@code dst[rows, N] = src[rows, K] * W + bias} with F32 results. The primitive has no
 * state and is shared; each thread has its own argument list.
 */
final class Matmul implements AutoCloseable {
  /**
   * @param rows at least 2: one row takes another path through oneDNN, with other roundings
   * @param inputStride from one row of src to the next, in elements
   * @param outputStride from one row of dst to the next, in elements
   */
  record Shape(
      int rows,
      int inputColumns,
      int outputColumns,
      int inputType,
      int inputStride,
      int outputStride,
      boolean bias) {}

  private static final int[] KINDS = {
    Dnnl.ARG_SRC, Dnnl.ARG_WEIGHTS, Dnnl.ARG_DST, Dnnl.ARG_SCRATCHPAD, Dnnl.ARG_BIAS
  };

  private final MemorySegment descriptor;
  private final MemorySegment primitive;
  private final long scratchpadBytes;
  private final Arena arena = Arena.ofShared();
  private final List<Call> calls = new ArrayList<>();

  /** The arguments of one thread. */
  private record Call(MemorySegment stream, MemorySegment[] memories, MemorySegment arguments) {}

  /**
   * @param weights the layout of packed weights
   * @param streams one per thread
   */
  Matmul(MemorySegment engine, List<MemorySegment> streams, Shape shape, MemorySegment weights) {
    int k = shape.inputColumns();
    int n = shape.outputColumns();
    MemorySegment src = Dnnl.matrix(shape.rows(), k, shape.inputType(), shape.inputStride(), 1);
    MemorySegment dst = Dnnl.matrix(shape.rows(), n, Dnnl.F32, shape.outputStride(), 1);
    MemorySegment bias = shape.bias() ? Dnnl.matrix(1, n, Dnnl.F32, n, 1) : null;
    descriptor = Dnnl.matmul(engine, src, weights, bias, dst);
    primitive = Dnnl.primitive(descriptor);
    MemorySegment scratchpad = Dnnl.scratchpadOf(descriptor);
    scratchpadBytes = Dnnl.sizeBytes(scratchpad);
    for (MemorySegment stream : streams) {
      calls.add(call(engine, stream, src, weights, dst, scratchpad, bias));
    }
    Dnnl.destroyDescriptor(src);
    Dnnl.destroyDescriptor(dst);
    if (bias != null) {
      Dnnl.destroyDescriptor(bias);
    }
  }

  private Call call(
      MemorySegment engine,
      MemorySegment stream,
      MemorySegment src,
      MemorySegment weights,
      MemorySegment dst,
      MemorySegment scratchpad,
      @Nullable MemorySegment bias) {
    int count = bias == null ? KINDS.length - 1 : KINDS.length;
    MemorySegment[] memories = new MemorySegment[count];
    memories[0] = Dnnl.memory(engine, src);
    memories[1] = Dnnl.memory(engine, weights);
    memories[2] = Dnnl.memory(engine, dst);
    memories[3] = Dnnl.memory(engine, scratchpad);
    if (bias != null) {
      memories[4] = Dnnl.memory(engine, bias);
    }
    int[] kinds = Arrays.copyOf(KINDS, count);
    return new Call(stream, memories, Dnnl.arguments(arena, kinds, memories));
  }

  /** The layout in which weights of this shape are fastest; to be destroyed by the caller. */
  static MemorySegment favouriteWeights(
      MemorySegment engine, int rows, int inputColumns, int outputColumns, int inputType) {
    MemorySegment src = Dnnl.matrix(rows, inputColumns, inputType, inputColumns, 1);
    MemorySegment any = Dnnl.anyLayout(inputColumns, outputColumns, inputType);
    MemorySegment dst = Dnnl.matrix(rows, outputColumns, Dnnl.F32, outputColumns, 1);
    MemorySegment descriptor = Dnnl.matmul(engine, src, any, null, dst);
    MemorySegment weights = Dnnl.weightsOf(descriptor);
    Dnnl.destroyPrimitiveDescriptor(descriptor);
    List.of(src, any, dst).forEach(Dnnl::destroyDescriptor);
    return weights;
  }

  /** What {@link #execute} needs at {@code scratchpad}. */
  long scratchpadBytes() {
    return scratchpadBytes;
  }

  /** Multiplies; all places are addresses. {@code bias} is ignored where the shape has none. */
  void execute(int thread, long src, long weights, long bias, long dst, long scratchpad) {
    Call call = calls.get(thread);
    MemorySegment[] memories = call.memories();
    Dnnl.bind(memories[0], src);
    Dnnl.bind(memories[1], weights);
    Dnnl.bind(memories[2], dst);
    Dnnl.bind(memories[3], scratchpad);
    if (memories.length > 4) {
      Dnnl.bind(memories[4], bias);
    }
    Dnnl.execute(primitive, call.stream(), call.arguments());
  }

  @Override
  public void close() {
    for (Call call : calls) {
      for (MemorySegment memory : call.memories()) {
        Dnnl.destroyMemory(memory);
      }
    }
    Dnnl.destroyPrimitive(primitive);
    Dnnl.destroyPrimitiveDescriptor(descriptor);
    arena.close();
  }
}
