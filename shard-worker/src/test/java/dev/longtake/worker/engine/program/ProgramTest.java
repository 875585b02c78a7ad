package dev.longtake.worker.engine.program;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.worker.engine.model.ModelDescription;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ProgramTest {
  private static final Set<Value> GIVEN_ONCE =
      Set.of(Value.SCALARS, Value.ENCODED_TEXT, Value.POOLED_TEXT, Value.CLASS_LABELS);

  private static final Set<Value> GIVEN_PER_STEP =
      Set.of(Value.LATENTS, Value.TIMESTEPS, Value.REFERENCE);

  @Test
  void shouldHoistWhatDependsOnTheConditionAlone() {
    Program program = Program.compile(TestModels.stdit3(2), 2);

    assertThat(program.hoisted()).hasSize(1 + 1 + 4);
    assertThat(program.hoisted())
        .allMatch(instruction ->
            instruction instanceof Instruction.ProjectText
                || instruction instanceof Instruction.ProjectKeyValue
                || (instruction instanceof Instruction.ComputeVector vector
                    && vector.op().output().equals("fps_emb")));
    assertThat(program.step())
        .noneMatch(instruction ->
            instruction instanceof Instruction.ProjectText
                || instruction instanceof Instruction.ProjectKeyValue);
  }

  @Test
  void shouldReadOnlyWhatWasWrittenBefore() {
    for (ModelDescription model : TestModels.all()) {
      for (int ranks : new int[] {1, 3}) {
        Program program = Program.compile(model, ranks);
        Set<Value> written = new HashSet<>(GIVEN_ONCE);
        for (Instruction instruction : program.hoisted()) {
          assertThat(written).as("%s", instruction).containsAll(instruction.reads());
          written.add(instruction.writes());
        }
        written.addAll(GIVEN_PER_STEP);
        for (Instruction instruction : program.step()) {
          assertThat(written).as("%s", instruction).containsAll(instruction.reads());
          written.add(instruction.writes());
        }
        assertThat(written).contains(Value.PREDICTION);
      }
    }
  }

  @Test
  void shouldWriteNothingInAStepThatWasHoisted() {
    for (ModelDescription model : TestModels.all()) {
      Program program = Program.compile(model, 3);
      Set<Value> hoisted = new HashSet<>();
      program.hoisted().forEach(instruction -> hoisted.add(instruction.writes()));

      // Else the second step would find what the first one left.
      assertThat(program.step()).noneMatch(instruction -> hoisted.contains(instruction.writes()));
    }
  }

  @Test
  void shouldBringThePredictionHomeWhenTheLastSplitIsAnother() {
    assertThat(Program.compile(TestModels.stdit3(1), 2).step().getLast())
        .isEqualTo(
            new Instruction.SwitchSplit(
                Value.PREDICTION, Split.PATCH, Split.FRAME, "after the final layer"));
    assertThat(Program.compile(TestModels.stdit3(1), 1).step().getLast())
        .isInstanceOf(Instruction.ProjectFinal.class);
  }

  @Test
  void shouldNameTheSameWeightsForAnyNumberOfRanks() {
    Program one = Program.compile(TestModels.stdit3(2), 1);
    Program five = Program.compile(TestModels.stdit3(2), 5);

    assertThat(five.linears()).isEqualTo(one.linears());
    assertThat(five.tensors()).isEqualTo(one.tensors());
    assertThat(one.linears()).extracting(LinearSpec::layer).doesNotHaveDuplicates();
  }
}
