package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.model.Stream;
import dev.longtake.worker.engine.program.Instruction;
import java.util.List;

/** Offers token values to a tap, text and patches apart. */
final class Taps {
  /** Behind the name of a value of both streams, for the text's part of it. */
  private static final String TEXT = "/text";

  private final Tap tap;
  private final List<Range> text;

  /**
   * @param text this rank's ranges of the packed text tokens
   */
  Taps(Tap tap, List<Range> text) {
    this.tap = tap;
    this.text = List.copyOf(text);
  }

  /** Whether any part of the value is wanted. */
  boolean wants(String name) {
    return tap.wants(name) || tap.wants(name + TEXT);
  }

  /** Whether any value that instructions of blocks offer is wanted. */
  boolean wantAny(List<Instruction> instructions) {
    return instructions.stream().flatMap(each -> names(each).stream()).anyMatch(this::wants);
  }

  private static List<String> names(Instruction instruction) {
    return switch (instruction) {
      case Instruction.AddPosition _ -> List.of("pos_emb");
      case Instruction.Mark mark -> List.of(mark.name());
      case Instruction.Modulate modulate -> List.of(modulate.name());
      case Instruction.ReadWithPosition read -> List.of(read.name());
      case Instruction.Project project -> List.of(project.layer());
      case Instruction.NormRotate norm -> List.of(norm.normName(), norm.rotatedName());
      case Instruction.Attend attend -> List.of(attend.name() + "_result");
      case Instruction.AddProjection add ->
          List.of(add.layer() + "_in", add.resultName(), add.afterName());
      case Instruction.ProjectFinal _ -> List.of("final_in", "final_layer");
      default -> List.of();
    };
  }

  /**
   * Offers a value.
   *
   * @param value rows of the stream
   */
  void take(String name, Stream stream, Matrix value, TokenLayout layout) {
    switch (stream) {
      case PATCHES -> takePatches(name, value, layout);
      case TEXT -> takeText(name, value);
      case ALL -> {
        int textRows = layout.textRows();
        takeText(name + TEXT, value.rows(0, textRows));
        takePatches(name, value.rows(textRows, value.rows()), layout);
      }
    }
  }

  private void takePatches(String name, Matrix value, TokenLayout layout) {
    if (tap.wants(name)) {
      tap.take(name, value, layout);
    }
  }

  private void takeText(String name, Matrix value) {
    if (tap.wants(name)) {
      tap.takeText(name, value, text);
    }
  }
}
