package dev.longtake.worker.engine.program;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ProgramTest {
  @Test
  void shouldHoistWhatDependsOnTheConditionAlone() {
    Program program = Program.compile(TestModels.stdit3(2), 2);

    assertThat(program.condition()).hasSize(1 + 1 + 4);
    assertThat(program.condition())
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
    for (int ranks : new int[] {1, 3}) {
      Program program = Program.compile(TestModels.stdit3(3), ranks);
      Set<Value> written =
          new HashSet<>(Set.of(Value.LATENTS, Value.TIMESTEPS, Value.SCALARS, Value.ENCODED_TEXT));
      List<Instruction> all = new ArrayList<>(program.condition());
      all.addAll(program.step());
      for (Instruction instruction : all) {
        assertThat(written).as("%s", instruction).containsAll(instruction.reads());
        written.add(instruction.writes());
      }
      assertThat(written).contains(Value.PREDICTION);
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
