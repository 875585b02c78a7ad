package dev.longtake.worker.engine.program;

import dev.longtake.worker.engine.model.ModelDescription;

/**
 * What a region has between its instructions, for each token it takes at once.
 *
 * @param narrow whether {@link Value#NARROW} is ever there, C columns; also as scratch memory, for a cast or the final layer's norm
 * @param wideColumns of {@link Value#WIDE}; 0 for never
 */
public record Between(boolean narrow, int wideColumns) {
  /** That of a program's region. */
  public static Between of(Program program, Region region) {
    return new Between(
        region.instructions().stream().anyMatch(Between::usesNarrow),
        region.instructions().stream()
            .mapToInt(instruction -> wideColumns(program, instruction))
            .max()
            .orElse(0));
  }

  /** A product's columns, or those of what else passes through the same memory. */
  private static int wideColumns(Program program, Instruction instruction) {
    ModelDescription model = program.model();
    return switch (instruction) {
      case Instruction.Project project -> program.linear(project.layer()).outputColumns();
      case Instruction.ReadWithPosition _ -> model.channels();
      case Instruction.EmbedPatches _, Instruction.EmbedReference _ ->
          (1 + model.latentChannels()) * model.patches().size().volume();
      default -> 0;
    };
  }

  private static boolean usesNarrow(Instruction instruction) {
    return instruction instanceof Instruction.Project
        || instruction instanceof Instruction.AddProjection
        || instruction instanceof Instruction.ProjectFinal
        || instruction.writes().equals(Value.NARROW);
  }

  /** Either's. */
  public Between or(Between other) {
    return new Between(narrow || other.narrow, Math.max(wideColumns, other.wideColumns));
  }

  /** Of both values together. */
  public int columns(int channels) {
    return (narrow ? channels : 0) + wideColumns;
  }
}
