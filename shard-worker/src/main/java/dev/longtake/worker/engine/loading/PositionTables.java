package dev.longtake.worker.engine.loading;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.checkpoint.TensorInfo;
import dev.longtake.worker.engine.exec.Tables;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Op;
import dev.longtake.worker.engine.model.Position;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;

/**
 * Stored position tables against those that the engine computes with the configuration's scales: another table would mean another
 * scale, and a wrong video.
 */
public final class PositionTables {
  private static final List<String> SPACE = List.of("pos_embed", "pos_embed_spatial");
  private static final List<String> TIME = List.of("pos_embed_temporal", "temp_embed");

  /** Tables are made in float64 and stored in float32, where places near a thousand round to this. */
  private static final double TOLERANCE = 1e-4;

  /** Of values up to 1 in 16 bits. */
  private static final double REDUCED_TOLERANCE = 5e-3;

  private PositionTables() {}

  /**
   * A stored table.
   *
   * @param verdict for people
   */
  public record Check(String tensor, boolean agrees, String verdict) {}

  /** Checks all that the file has. Reads these tables' values. */
  public static List<Check> check(OpenModel model) {
    ModelDescription description = model.description();
    List<Check> checks = new ArrayList<>();
    for (Position position : positions(description)) {
      switch (position) {
        case Position.Grid grid ->
            SPACE.stream().flatMap(name -> space(model, name, grid).stream()).forEach(checks::add);
        case Position.Frames frames ->
            TIME.stream().flatMap(name -> time(model, name, frames).stream()).forEach(checks::add);
        case Position.Sequence _ -> {}
      }
    }
    return List.copyOf(checks);
  }

  /** All that the model adds anywhere, each once. */
  private static List<Position> positions(ModelDescription model) {
    Stream<Position> added =
        model.blocks().stream()
            .flatMap(block -> block.ops().stream())
            .flatMap(PositionTables::positions);
    return Stream.concat(model.positions().stream(), added).distinct().toList();
  }

  private static Stream<Position> positions(Op op) {
    return switch (op) {
      case Op.AddPosition add -> Stream.of(add.position());
      case Op.SelfAttention attention ->
          attention.parts().stream()
              .map(Op.Part::input)
              .flatMap(input ->
                  input instanceof Op.Input.Plain plain && plain.position() != null
                      ? Stream.of(plain.position())
                      : Stream.empty());
      case Op.CrossAttention _, Op.Mlp _, Op.ParallelAttention _ -> Stream.empty();
    };
  }

  private static Optional<Check> space(OpenModel model, String name, Position.Grid grid) {
    return table(model, name)
        .map(info -> {
          int tokens = info.shape().get(1).intValue();
          OptionalInt columns = StoredPositions.columns(model.file(), name);
          if (columns.isEmpty()) {
            return new Check(name, false, "is no table of rows and columns");
          }
          float[] computed =
              Tables.positions(
                  tokens / columns.getAsInt(),
                  columns.getAsInt(),
                  model.description().channels(),
                  grid.scale(),
                  grid.base().cells(tokens));
          return compare(model.file(), info, computed);
        });
  }

  private static Optional<Check> time(OpenModel model, String name, Position.Frames frames) {
    int channels = model.description().channels();
    return table(model, name)
        .map(info ->
            compare(
                model.file(),
                info,
                Tables.framePositions(info.shape().get(1).intValue(), channels, frames.scale())));
  }

  /** A table [1, tokens, C]; a diffusers layer of the same name is none. */
  private static Optional<TensorInfo> table(OpenModel model, String name) {
    return model
        .file()
        .info(name)
        .filter(info ->
            StoredPositions.isTable(info) && info.shape().get(2) == model.description().channels());
  }

  private static Check compare(Checkpoint file, TensorInfo info, float[] computed) {
    double tolerance = info.dtype().sizeBytes() >= 4 ? TOLERANCE : REDUCED_TOLERANCE;
    double worst = 0;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment stored = file.f32(info.name(), arena, StoredPositions.shape(info));
      for (int i = 0; i < computed.length; i++) {
        double difference = Math.abs(stored.getAtIndex(ValueLayout.JAVA_FLOAT, i) - computed[i]);
        // Not max, which a NaN in the file would pass.
        if (!(difference <= worst)) {
          worst = difference;
        }
      }
    }
    boolean agrees = worst <= tolerance;
    return new Check(
        info.name(),
        agrees,
        String.format(
            Locale.ROOT,
            agrees
                ? "agrees with the computed positions within %.1e"
                : "differs from the computed positions by %.1e: the config's scale or size isn't"
                    + " the weights'",
            worst));
  }
}
