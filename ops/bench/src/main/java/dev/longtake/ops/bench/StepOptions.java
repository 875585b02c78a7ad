package dev.longtake.ops.bench;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tensor.DType;
import java.util.List;
import java.util.Locale;

/**
 * What {@link StepBenchmark} may be told.
 *
 * @param hasPeer whether PyTorch runs beside it
 * @param python the interpreter that has PyTorch
 * @param clips to measure; empty for the benchmark's own
 * @param types to measure, F32 or BF16; empty for both
 */
public record StepOptions(boolean hasPeer, String python, List<StepClip> clips, List<DType> types) {
  /** Nothing told. */
  public static final StepOptions NONE = new StepOptions(false, "python3", List.of(), List.of());

  public StepOptions {
    clips = List.copyOf(clips);
    types = List.copyOf(types);
  }

  /**
   * From what was typed.
   *
   * @throws LongtakeException INVALID_REQUEST when a size or type is none
   */
  static StepOptions parse(
      boolean hasPeer, String python, List<String> sizes, List<String> typeNames) {
    return new StepOptions(
        hasPeer,
        python,
        sizes.stream().map(StepClip::parse).distinct().toList(),
        typeNames.stream().map(StepOptions::type).distinct().toList());
  }

  private static DType type(String name) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "f32" -> DType.F32;
      case "bf16" -> DType.BF16;
      default ->
          throw LongtakeException.invalidField(
              "dtype", "Expected f32 or bf16, but got '%s'".formatted(name));
    };
  }
}
