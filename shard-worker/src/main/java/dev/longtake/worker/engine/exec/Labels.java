package dev.longtake.worker.engine.exec;

import dev.longtake.worker.engine.program.Instruction;

/** What instructions are called in traces: what is done, and to which part of the model. */
final class Labels {
  private Labels() {}

  static String of(Instruction instruction) {
    String what = instruction.getClass().getSimpleName();
    String where =
        switch (instruction) {
          case Instruction.ProjectText _ -> "text";
          case Instruction.ProjectKeyValue project -> project.layer();
          case Instruction.ComputeVector vector -> vector.op().output();
          case Instruction.AddTable table -> table.table();
          case Instruction.EmbedPatches embed -> embed.layer();
          case Instruction.EmbedReference embed -> embed.layer();
          case Instruction.EmbedText _ -> "text";
          case Instruction.AddPosition add -> add.position().getClass().getSimpleName();
          case Instruction.Mark mark -> mark.name();
          case Instruction.SwitchSplit change -> change.place();
          case Instruction.ReceiveTokens receive -> receive.place();
          case Instruction.SendTokens send -> send.place();
          case Instruction.ScatterHeads scatter -> scatter.place();
          case Instruction.CollectHeads collect -> collect.place();
          case Instruction.GatherKeyValue gather -> gather.place();
          case Instruction.Reuse reuse -> reuse.kept().name();
          case Instruction.Keep keep -> keep.kept().name();
          case Instruction.BeginFirstBlock _, Instruction.EndFirstBlock _ -> "first block";
          case Instruction.BeginRest _ -> "rest";
          case Instruction.Modulate modulate -> modulate.name();
          case Instruction.ReadWithPosition read -> read.name();
          case Instruction.Project project -> project.layer();
          case Instruction.ProjectHidden project -> project.layer();
          case Instruction.NormRotate norm -> norm.normName();
          case Instruction.ReduceKeyValue reduce -> reduce.name();
          case Instruction.Attend attend -> attend.name();
          case Instruction.AttendText attend -> attend.keyValueLayer();
          case Instruction.AddProjection add -> add.layer();
          case Instruction.ProjectFinal last -> last.layer().layer();
        };
    return what + " " + where;
  }
}
