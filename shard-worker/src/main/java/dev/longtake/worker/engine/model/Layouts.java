package dev.longtake.worker.engine.model;

import static dev.longtake.worker.engine.model.WeightRules.rows;
import static dev.longtake.worker.engine.model.WeightRules.whole;

import dev.longtake.common.checkpoint.Piece;
import dev.longtake.common.model.DitConfig;
import java.util.Set;

/**
 * Where published checkpoints keep the weights that the descriptions name. Descriptions use the names of the Open-Sora state dicts
 * wherever those have one tensor for one of ours.
 */
final class Layouts {
  private Layouts() {}

  /** Open-Sora of March 2024: q, k and v apart. */
  static WeightRules march() {
    return new WeightRules()
        .layer("(.*\\.attn)\\.qkv", whole("$1.to_q"), whole("$1.to_k"), whole("$1.to_v"))
        .layer("(.*\\.attn)\\.q_linear", whole("$1.to_q"))
        .layer("(.*\\.attn)\\.kv_linear", whole("$1.to_k"), whole("$1.to_v"))
        .layer("(.*\\.attn)\\.proj", whole("$1.to_out.0"));
  }

  /** Open-Sora 2.0, with q, k and v in one layer or apart. */
  static WeightRules mmdit(DitConfig config, Set<String> names) {
    int channels = config.requireInt("hidden_size");
    boolean fused = names.contains("single_blocks.0.linear1.weight");
    WeightRules rules =
        new WeightRules()
            .rule("(double_blocks\\..*_attn)\\.q_norm\\.weight", whole("$1.norm.query_norm.scale"))
            .rule("(double_blocks\\..*_attn)\\.k_norm\\.weight", whole("$1.norm.key_norm.scale"))
            .rule("(single_blocks\\.\\d+)\\.q_norm\\.weight", whole("$1.norm.query_norm.scale"))
            .rule("(single_blocks\\.\\d+)\\.k_norm\\.weight", whole("$1.norm.key_norm.scale"))
            .layer("(double_blocks\\..*_mlp)\\.fc1", whole("$1.0"))
            .layer("(double_blocks\\..*_mlp)\\.fc2", whole("$1.2"));
    if (fused) {
      return rules
          .layer("(single_blocks\\.\\d+)\\.qkv", rows("$1.linear1", 0, 3L * channels))
          .layer(
              "(single_blocks\\.\\d+)\\.mlp_in", rows("$1.linear1", 3L * channels, Piece.ALL_ROWS));
    }
    return rules
        .layer(
            "(double_blocks\\..*_attn)\\.qkv",
            whole("$1.q_proj"),
            whole("$1.k_proj"),
            whole("$1.v_proj"))
        .layer(
            "(single_blocks\\.\\d+)\\.qkv",
            whole("$1.q_proj"),
            whole("$1.k_proj"),
            rows("$1.v_mlp", 0, channels))
        .layer("(single_blocks\\.\\d+)\\.mlp_in", rows("$1.v_mlp", channels, Piece.ALL_ROWS));
  }
}
