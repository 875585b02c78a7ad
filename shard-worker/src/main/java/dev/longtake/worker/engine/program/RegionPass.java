package dev.longtake.worker.engine.program;

import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Position;
import dev.longtake.worker.engine.model.Rotary;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Finds the instructions that can run piece by piece. From the front, each region gets as many as fit together: none reads a token value
 * that was written before the region, and none behind the region reads one that was written inside, but for the residual stream and the prediction.
 *
 * <p>Attention within a frame needs whole frames, attention across frames whole patches; norms, products and attention to the text
 * need a row. Attention over all tokens, keys of other ranks, exchanges and what a step cache keeps take all tokens at once, as does
 * every model whose text is part of the sequence.
 */
final class RegionPass {
  private static final Set<Value> INNER = Set.of(Value.NARROW, Value.WIDE);

  private final ModelDescription model;
  private final List<Instruction> step;

  private RegionPass(ModelDescription model, List<Instruction> step) {
    this.model = model;
    this.step = step;
  }

  /** All instructions of a step, in their order. */
  static List<Region> regions(ModelDescription model, List<Instruction> step) {
    RegionPass pass = new RegionPass(model, step);
    List<Region> regions = new ArrayList<>();
    for (int at = 0; at < step.size(); at += regions.getLast().instructions().size()) {
      regions.add(pass.regionAt(at));
    }
    return List.copyOf(regions);
  }

  private Region regionAt(int start) {
    Region longest = new Region(step.subList(start, start + 1), /* cut= */ null);
    Set<Value> inside = new HashSet<>();
    Cut cut = Cut.EITHER;
    boolean worthIt = false;
    for (int at = start; at < step.size(); at++) {
      Instruction instruction = step.get(at);
      Optional<Cut> next = cut(instruction);
      if (next.isEmpty() || conflict(cut, next.get()) || readsFromOutside(instruction, inside)) {
        break;
      }
      cut = cut == Cut.EITHER ? next.get() : cut;
      worthIt |= instruction instanceof Instruction.AddProjection;
      worthIt |= instruction instanceof Instruction.ProjectFinal;
      if (INNER.contains(instruction.writes())) {
        inside.add(instruction.writes());
      }
      int end = at + 1;
      if (worthIt && inside.stream().noneMatch(value -> isRead(value, end))) {
        longest = new Region(step.subList(start, end), cut);
      }
    }
    return longest;
  }

  /** How its tokens can be cut; empty for all at once. */
  private Optional<Cut> cut(Instruction instruction) {
    if (model.textIsSequence()) {
      return Optional.empty();
    }
    return switch (instruction) {
      case Instruction.Attend attend -> cut(attend);
      case Instruction.NormRotate norm ->
          norm.reduction() > 1 || (norm.rotary() && !(model.rotary() instanceof Rotary.Frames))
              ? Optional.empty()
              : Optional.of(Cut.EITHER);
      case Instruction.AddPosition add -> cut(add.position());
      case Instruction.ReadWithPosition read -> cut(read.position());
      case Instruction.Mark _,
          Instruction.Modulate _,
          Instruction.Project _,
          Instruction.AttendText _,
          Instruction.AddProjection _,
          Instruction.ProjectFinal _ ->
          Optional.of(Cut.EITHER);
      default -> Optional.empty();
    };
  }

  private static Optional<Cut> cut(Instruction.Attend attend) {
    if (!attend.keys().equals(Value.WIDE) || attend.axis() == Axis.FULL) {
      return Optional.empty();
    }
    return Optional.of(attend.axis() == Axis.SPATIAL ? Cut.FRAMES : Cut.PATCHES);
  }

  /** The tables of a sequence's positions are made for ranges of whole ranks. */
  private static Optional<Cut> cut(@Nullable Position position) {
    return position instanceof Position.Sequence ? Optional.empty() : Optional.of(Cut.EITHER);
  }

  private static boolean conflict(Cut one, Cut other) {
    return one != Cut.EITHER && other != Cut.EITHER && one != other;
  }

  private static boolean readsFromOutside(Instruction instruction, Set<Value> inside) {
    return instruction.reads().stream()
        .anyMatch(value -> INNER.contains(value) && !inside.contains(value));
  }

  /** Whether an instruction from {@code start} on reads the value before another one writes it. */
  private boolean isRead(Value value, int start) {
    for (Instruction instruction : step.subList(start, step.size())) {
      boolean isKept =
          instruction instanceof Instruction.Keep(var kept) && kept.value().equals(value);
      if (isKept || instruction.reads().contains(value)) {
        return true;
      }
      // What is put back is only written in some steps.
      if (instruction.writes().equals(value) && !(instruction instanceof Instruction.Reuse)) {
        return false;
      }
    }
    return false;
  }
}
