package dev.longtake.worker.engine.exec;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.engine.program.LinearSpec;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.TensorSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The weights that one program needs, on a device. Owns them. Layers that only texts are projected by stay in the checkpoint, which is read
 * again for each new text: they are a seventh of a model, used for a moment, and their memory is better spent on tokens.
 */
public final class Weights implements AutoCloseable {
  private final Map<String, PackedLinear> linears = new HashMap<>();
  private final Map<String, LinearSpec> textLayers = new HashMap<>();
  private final Map<String, Matrix> tensors = new HashMap<>();
  private final Device device;
  private final Checkpoint checkpoint;
  private final DType blockType;

  private Weights(Device device, Checkpoint checkpoint, DType blockType) {
    this.device = device;
    this.checkpoint = checkpoint;
    this.blockType = blockType;
  }

  /**
   * Reads, checks and packs the weights a program names, and nothing else of the checkpoint; layers for texts are only checked.
   *
   * @param checkpoint open for as long as texts are prepared
   * @param blockType of the inputs of the blocks' products, F32 or BF16
   * @throws dev.longtake.common.error.LongtakeException INVALID_CHECKPOINT when one is missing or has another shape;
   *     OUT_OF_MEMORY
   */
  public static Weights load(
      Device device, Checkpoint checkpoint, Program program, DType blockType) {
    Weights weights = new Weights(device, checkpoint, blockType);
    Set<String> ofText = program.textLayers();
    try {
      for (LinearSpec spec : program.linears()) {
        if (ofText.contains(spec.layer())) {
          weights.check(spec);
          weights.textLayers.put(spec.layer(), spec);
        } else {
          weights.linears.put(spec.layer(), weights.pack(spec));
        }
      }
      for (TensorSpec spec : program.tensors()) {
        weights.tensors.put(spec.name(), upload(device, checkpoint, spec));
      }
      return weights;
    } catch (Throwable e) {
      weights.close();
      throw e;
    }
  }

  private void check(LinearSpec spec) {
    checkpoint.requireFloat(spec.layer() + ".weight", longs(spec.shape()));
    checkpoint.requireFloat(spec.layer() + ".bias", spec.outputColumns());
  }

  private PackedLinear pack(LinearSpec spec) {
    // What the file is mapped or converted into ends with the call, so that it never adds up.
    try (Arena scratch = Arena.ofConfined()) {
      String name = spec.layer() + ".weight";
      checkpoint.requireFloat(name, longs(spec.shape()));
      boolean bfloat = checkpoint.info(name).orElseThrow().dtype() == DType.BF16;
      MemorySegment weight =
          bfloat
              ? checkpoint.bytes(name, scratch)
              : checkpoint.f32(name, scratch, longs(spec.shape()));
      MemorySegment bias = checkpoint.f32(spec.layer() + ".bias", scratch, spec.outputColumns());
      return device.pack(
          weight,
          bfloat ? DType.BF16 : DType.F32,
          bias,
          spec.outputColumns(),
          spec.inputColumns(),
          spec.type(blockType));
    }
  }

  private static Matrix upload(Device device, Checkpoint checkpoint, TensorSpec spec) {
    int columns = spec.shape().getLast();
    int rows = spec.shape().stream().limit(spec.shape().size() - 1).reduce(1, (a, b) -> a * b);
    try (Arena scratch = Arena.ofConfined()) {
      MemorySegment values = checkpoint.f32(spec.name(), scratch, longs(spec.shape()));
      DeviceBuffer buffer = device.memory().allocate((long) rows * columns * 4, "weights");
      Matrix matrix = Matrix.dense(buffer, rows, columns, DType.F32);
      try {
        device.upload(values, matrix);
      } catch (Throwable e) {
        buffer.close();
        throw e;
      }
      return matrix;
    }
  }

  private static long[] longs(List<Integer> shape) {
    return shape.stream().mapToLong(Integer::longValue).toArray();
  }

  /** Type of what the blocks' products read. */
  public DType blockType() {
    return blockType;
  }

  /** Whether everything that a program names is among them. */
  public boolean serve(Program program) {
    return program.linears().stream()
            .allMatch(
                spec -> linears.containsKey(spec.layer()) || textLayers.containsKey(spec.layer()))
        && program.tensors().stream().allMatch(spec -> tensors.containsKey(spec.name()));
  }

  PackedLinear linear(String layer) {
    return require(linears.get(layer), layer);
  }

  /**
   * Reads a layer that texts are projected by.
   *
   * @return owned by the caller
   * @throws dev.longtake.common.error.LongtakeException OUT_OF_MEMORY
   */
  PackedLinear openTextLayer(String layer) {
    return pack(require(textLayers.get(layer), layer));
  }

  /** A vector of n values is one row of n columns. */
  Matrix tensor(String name) {
    return require(tensors.get(name), name);
  }

  private static <T> T require(@Nullable T found, String name) {
    if (found == null) {
      throw new IllegalStateException(
          "Expected a program that names '" + name + "' among its weights");
    }
    return found;
  }

  @Override
  public void close() {
    linears.values().forEach(PackedLinear::close);
    tensors.values().forEach(tensor -> tensor.buffer().close());
    linears.clear();
    tensors.clear();
  }
}
