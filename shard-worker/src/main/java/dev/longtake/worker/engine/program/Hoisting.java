package dev.longtake.worker.engine.program;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Separates what depends on the text alone and on the condition alone, by following what each instruction reads: an instruction
 * varies from step to step when a value it reads does, and then what it writes varies too; and in the same way from job to job.
 */
final class Hoisting {
  private Hoisting() {}

  /** What a step is given anew. */
  private static final Set<Value> OF_STEP = Set.of(Value.LATENTS, Value.TIMESTEPS);

  /** What a job with the same text may be given otherwise. */
  private static final Set<Value> OF_JOB =
      Set.of(
          Value.LATENTS,
          Value.TIMESTEPS,
          Value.REFERENCE,
          Value.SCALARS,
          Value.POOLED_TEXT,
          Value.CLASS_LABELS);

  /** All lists keep the order of the program. */
  record Parts(List<Instruction> text, List<Instruction> condition, List<Instruction> step) {}

  static Parts split(List<Instruction> program) {
    Set<Value> byStep = varying(program, OF_STEP);
    Set<Value> byJob = varying(program, OF_JOB);
    List<Instruction> text = new ArrayList<>();
    List<Instruction> condition = new ArrayList<>();
    List<Instruction> step = new ArrayList<>();
    for (Instruction instruction : program) {
      if (varies(instruction, byStep)) {
        step.add(instruction);
      } else {
        (varies(instruction, byJob) ? condition : text).add(instruction);
      }
    }
    return new Parts(text, condition, step);
  }

  /** Until nothing more is found: a value may be made varying by an instruction that comes after another which writes it. */
  private static Set<Value> varying(List<Instruction> program, Set<Value> given) {
    Set<Value> varying = new HashSet<>(given);
    boolean isGrowing = true;
    while (isGrowing) {
      isGrowing = false;
      for (Instruction instruction : program) {
        if (varies(instruction, varying)) {
          isGrowing |= varying.add(instruction.writes());
        }
      }
    }
    return varying;
  }

  private static boolean varies(Instruction instruction, Set<Value> varying) {
    return instruction.reads().stream().anyMatch(varying::contains)
        || varying.contains(instruction.writes());
  }
}
