package dev.longtake.worker.order;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonParser;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.DitConfig;
import dev.longtake.v1.RowCondition;
import dev.longtake.worker.engine.exec.Branch;
import dev.longtake.worker.engine.model.ModelCatalog;
import dev.longtake.worker.engine.model.ModelDescription;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Conditions of Open-Sora 2.0, which reads text tokens and a pooled text and has a null condition of neither. */
class OrderConditionsTest {
  private static final Branch.Scalars SCALARS = new Branch.Scalars(0, 0, 0, 0, 0, 0);

  private static ModelDescription model() {
    String json =
        """
        {"model_type": "MMDiTModel", "hidden_size": 48, "num_heads": 2, "depth": 1,
         "depth_single_blocks": 1, "in_channels": 16, "vec_in_dim": 2, "context_in_dim": 3,
         "axes_dim": [4, 10, 10]}
        """;
    DitConfig config =
        DitConfig.of(Path.of("config.json"), JsonParser.parseString(json).getAsJsonObject());
    return ModelCatalog.describe(config, Set.of()).description();
  }

  private static RowCondition.Builder text() {
    return RowCondition.newBuilder()
        .setEmbedding(ProtoTensors.of(new float[] {1, 2, 3}, List.of(1L, 3L)));
  }

  @Test
  void shouldTakeTokensAndPooledText() {
    RowCondition condition =
        text().setPooledText(ProtoTensors.of(new float[] {4, 5}, List.of(2L))).build();

    Branch branch = OrderConditions.branch(7, condition, SCALARS, model());

    assertThat(branch.sample()).isEqualTo(7);
    assertThat(branch.text().tokens()).isEqualTo(1);
    assertThat(branch.pooledText()).containsExactly(4, 5);
  }

  @Test
  void shouldAskForThePooledTextWhenTheModelHasNoneOfItsOwn() {
    RowCondition condition = text().build();

    assertThatThrownBy(() -> OrderConditions.branch(0, condition, SCALARS, model()))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("Expected a pooled text for every row");
  }

  @Test
  void shouldAskForTokensWhenTheModelHasNoNullCaption() {
    RowCondition condition = RowCondition.newBuilder().setNullTokens(3).build();

    assertThatThrownBy(() -> OrderConditions.branch(0, condition, SCALARS, model()))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("Expected a text embedding");
  }
}
