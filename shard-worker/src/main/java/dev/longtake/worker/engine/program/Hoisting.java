package dev.longtake.worker.engine.program;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Separates what depends on the condition alone, by following what each instruction reads: an instruction varies from step to
 * step when a value it reads does, and then what it writes varies too.
 */
final class Hoisting {
  private Hoisting() {}

  /** Both lists keep the order of the program. */
  record Parts(List<Instruction> condition, List<Instruction> step) {}

  static Parts split(List<Instruction> program) {
    Set<Value> varying = varying(program);
    List<Instruction> condition = new ArrayList<>();
    List<Instruction> step = new ArrayList<>();
    for (Instruction instruction : program) {
      (varies(instruction, varying) ? step : condition).add(instruction);
    }
    return new Parts(condition, step);
  }

  /** Until nothing more is found: a value may be made varying by an instruction that comes after another which writes it. */
  private static Set<Value> varying(List<Instruction> program) {
    Set<Value> varying = new HashSet<>(Set.of(Value.LATENTS, Value.TIMESTEPS));
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
