package dev.longtake.worker.engine.program;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.worker.device.Activation;
import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Stream;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What of the newer models runs once per job, and what in every step. */
class HoistingTest {
  private static List<Value> hoistedVectors(ModelDescription model) {
    return Program.compile(model, 2).condition().stream()
        .filter(Instruction.ComputeVector.class::isInstance)
        .map(Instruction::writes)
        .toList();
  }

  @Test
  void shouldHoistTheKeysOfATextThatNoBlockChanges() {
    Program program = Program.compile(TestModels.march("cross-attn", 3), 2);

    assertThat(program.hoisted())
        .containsExactly(
            new Instruction.ProjectText(List.of()),
            new Instruction.ProjectKeyValue("blocks.0.attn.kv_linear"),
            new Instruction.ProjectKeyValue("blocks.1.attn.kv_linear"),
            new Instruction.ProjectKeyValue("blocks.2.attn.kv_linear"));
  }

  @Test
  void shouldNotHoistTheTokensOfATextThatBlocksChange() {
    for (ModelDescription model :
        List.of(TestModels.mmdit(2, 2), TestModels.march("token-concat", 2))) {
      Program program = Program.compile(model, 2);

      assertThat(program.hoisted())
          .allMatch(instruction ->
              instruction instanceof Instruction.ProjectText
                  || instruction instanceof Instruction.ComputeVector)
          .filteredOn(Instruction.ProjectText.class::isInstance)
          .hasSize(1);
      // The first block's text keys would be the same in every step, but for the modulation by t.
      assertThat(program.step())
          .contains(new Instruction.EmbedText())
          .anyMatch(Instruction.GatherKeyValue.class::isInstance);
    }
  }

  @Test
  void shouldHoistGuidanceAndPooledTextButNothingThatTimeIsAddedTo() {
    assertThat(hoistedVectors(TestModels.mmdit(1, 1)))
        .containsExactlyInAnyOrder(Value.vector("guidance_in"), Value.vector("vector_in"));
    assertThat(hoistedVectors(TestModels.march("adaln", 2)))
        .containsExactly(Value.vector("text_embed"));
    assertThat(hoistedVectors(TestModels.dit(2))).containsExactly(Value.vector("y_emb"));
  }

  @Test
  void shouldNotHoistWhatIsAddedToAValueOfTheStep() {
    var embedPatches = new Instruction.EmbedPatches("proj");
    var projectText = new Instruction.ProjectText(List.of());
    var embedText = new Instruction.EmbedText();

    Hoisting.Parts parts = Hoisting.split(List.of(projectText, embedPatches, embedText));

    assertThat(parts.text()).containsExactly(projectText);
    assertThat(parts.step()).containsExactly(embedPatches, embedText);
  }

  @Test
  void shouldFollowWhatVariesThroughEveryValue() {
    var project = new Instruction.ProjectText(List.of());
    var keys = new Instruction.ProjectKeyValue("a");
    var latents = new Instruction.EmbedPatches("proj");
    var query = new Instruction.Project("q", Stream.PATCHES, Value.RESIDUAL, Activation.NONE);
    var attend = new Instruction.AttendText("a");

    Hoisting.Parts parts = Hoisting.split(List.of(project, latents, query, keys, attend));

    assertThat(parts.text()).containsExactly(project, keys);
    assertThat(parts.step()).containsExactly(latents, query, attend);
  }

  @Test
  void shouldComputeKeysInEveryStepWhenTheTimestepGetsIntoTheText() {
    var latents = new Instruction.EmbedPatches("proj");
    var query = new Instruction.Project("qkv", Stream.PATCHES, Value.RESIDUAL, Activation.NONE);
    var mix = new Instruction.Attend("mix", Axis.FULL, Stream.PATCHES, Value.WIDE, 1, Value.TEXT);
    var keys = new Instruction.ProjectKeyValue("a");

    Hoisting.Parts parts = Hoisting.split(List.of(latents, query, mix, keys));

    assertThat(parts.text()).isEmpty();
    assertThat(parts.condition()).isEmpty();
    assertThat(parts.step()).containsExactly(latents, query, mix, keys);
  }

  @Test
  void shouldKeepForOtherJobsWhatDependsOnTheTextAlone() {
    for (ModelDescription model : TestModels.all()) {
      Program program = Program.compile(model, 2);

      assertThat(program.text())
          .allMatch(instruction ->
              instruction instanceof Instruction.ProjectText
                  || instruction instanceof Instruction.ProjectKeyValue);
      // Numbers, classes and pooled texts may differ where the tokens are the same.
      assertThat(program.condition())
          .allMatch(instruction ->
              instruction instanceof Instruction.ComputeVector
                  || instruction instanceof Instruction.AddTable);
    }
  }
}
