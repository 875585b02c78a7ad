package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Grain;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.DeviceMemory;
import dev.longtake.worker.device.MemoryPressure;
import dev.longtake.worker.engine.program.Program;
import java.util.Map;
import java.util.TreeMap;

/**
 * What one rank needs for a job, found out by the executor's own arithmetic without allocating it. Position tables, latents and a
 * device's scratch come on top; they are small beside the rest. Texts are counted as if no other job shared them.
 *
 * @param weightBytes of all weights but those that only texts are projected by, packed layouts' padding left out
 * @param activationBytes of everything per token, of texts and vectors, and of what a step cache keeps
 * @param stagingBytes of host memory that exchanges pass through
 */
public record MemoryPlan(long weightBytes, long activationBytes, long stagingBytes) {

  /** For one rank's share of a clip on a device of this grain; {@code blockType} is that of {@link Weights#load}. */
  public static MemoryPlan of(
      Program program, DType blockType, Geometry geometry, Condition condition, Grain grain) {
    JobRows job = new JobRows(program, geometry, condition);
    Counted memory = new Counted();
    new Buffers(memory, program, job, Passage.of(program, job, grain), condition).close();
    new StepCache(memory, program, job, blockType).close();
    long textBytes =
        condition.branches().stream()
            .mapToLong(branch -> PreparedText.sizeBytes(program, branch.text().tokens()))
            .sum();
    return new MemoryPlan(
        program.heldWeightBytes(blockType),
        memory.usedBytes() + textBytes,
        job.stage().totalBytes());
  }

  /** The sum. */
  public long totalBytes() {
    return weightBytes + activationBytes + stagingBytes;
  }

  /** Memory that is only counted. */
  private static final class Counted implements DeviceMemory {
    private final Map<String, Long> bytesByTag = new TreeMap<>();

    /** A number of bytes; nobody writes to them. */
    private record Bytes(long sizeBytes) implements DeviceBuffer {
      @Override
      public void close() {}
    }

    @Override
    public DeviceBuffer allocate(long sizeBytes, String tag) {
      bytesByTag.merge(tag, sizeBytes, Long::sum);
      return new Bytes(sizeBytes);
    }

    @Override
    public void onPressure(MemoryPressure pressure) {
      // What is only counted never runs out, so nobody is asked for memory.
    }

    @Override
    public long limitBytes() {
      return Long.MAX_VALUE;
    }

    @Override
    public long usedBytes() {
      return bytesByTag.values().stream().mapToLong(Long::longValue).sum();
    }

    @Override
    public long peakBytes() {
      return usedBytes();
    }

    @Override
    public Map<String, Long> usedBytesByTag() {
      return Map.copyOf(bytesByTag);
    }
  }
}
