package dev.longtake.ops.bench;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.checkpoint.TensorInfo;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.ProgramCheck;
import dev.longtake.worker.engine.program.TensorSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/** What a program needs, as small random float32 numbers that are made when they are read: for times that do not depend on values. */
final class RandomCheckpoint implements Checkpoint {
  private final Map<String, TensorInfo> tensors = new TreeMap<>();

  RandomCheckpoint(Program program) {
    for (TensorSpec spec : ProgramCheck.weights(program)) {
      tensors.put(
          spec.name(),
          new TensorInfo(
              spec.name(),
              DType.F32,
              spec.shape().stream().map(Integer::longValue).toList(),
              spec.elements() * Float.BYTES));
    }
  }

  @Override
  public String location() {
    return "random numbers";
  }

  @Override
  public Set<String> names() {
    return tensors.keySet();
  }

  @Override
  public Optional<TensorInfo> info(String name) {
    return Optional.ofNullable(tensors.get(name));
  }

  @Override
  public MemorySegment bytes(String name, Arena arena) {
    long elements = info(name).orElseThrow().elements();
    MemorySegment segment = arena.allocate(elements * Float.BYTES, 64);
    int state = name.hashCode();
    for (long i = 0; i < elements; i++) {
      state = state * 1664525 + 1013904223;
      segment.setAtIndex(ValueLayout.JAVA_FLOAT, i, state * 0x1p-36f);
    }
    return segment;
  }

  @Override
  public void close() {}
}
