package dev.longtake.worker.engine.model;

import static dev.longtake.worker.engine.model.WeightRules.rows;
import static dev.longtake.worker.engine.model.WeightRules.whole;

import dev.longtake.common.checkpoint.Piece;
import dev.longtake.common.model.DitConfig;
import java.util.List;
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

  /**
   * diffusers: blocks and layers under other names, q, k and v apart.
   *
   * @param finalLinear the last projection, which its DiT numbers
   */
  static WeightRules diffusers(String finalLinear) {
    String attention = "blocks\\.(\\d+)\\.";
    String block = "transformer_blocks.$1.";
    WeightRules rules = new WeightRules();
    // Blocks across frames have the same layers, but no attention to the text.
    for (String prefix : List.of("", "temporal_")) {
      String ours = prefix + attention;
      String theirs = prefix + block;
      rules
          .layer(
              ours + "attn\\.qkv",
              whole(theirs + "attn1.to_q"),
              whole(theirs + "attn1.to_k"),
              whole(theirs + "attn1.to_v"))
          .layer(ours + "attn\\.proj", whole(theirs + "attn1.to_out.0"))
          .layer(ours + "mlp\\.fc1", whole(theirs + "ff.net.0.proj"))
          .layer(ours + "mlp\\.fc2", whole(theirs + "ff.net.2"))
          .rule(ours + "scale_shift_table", whole(theirs + "scale_shift_table"));
    }
    return rules
        .layer(attention + "cross_attn\\.q_linear", whole(block + "attn2.to_q"))
        .layer(
            attention + "cross_attn\\.kv_linear",
            whole(block + "attn2.to_k"),
            whole(block + "attn2.to_v"))
        .layer(attention + "cross_attn\\.proj", whole(block + "attn2.to_out.0"))
        .layer(
            attention + "t_embedder\\.mlp\\.0",
            whole(block + "norm1.emb.timestep_embedder.linear_1"))
        .layer(
            attention + "t_embedder\\.mlp\\.2",
            whole(block + "norm1.emb.timestep_embedder.linear_2"))
        .layer(
            attention + "y_embedder\\.embedding_table",
            whole(block + "norm1.emb.class_embedder.embedding_table"))
        .layer(attention + "adaLN_modulation\\.1", whole(block + "norm1.linear"))
        .layer("x_embedder\\.proj", whole("pos_embed.proj"))
        .layer("t_block\\.1", whole("adaln_single.linear"))
        .layer("t_embedder\\.mlp\\.0", whole("adaln_single.emb.timestep_embedder.linear_1"))
        .layer("t_embedder\\.mlp\\.2", whole("adaln_single.emb.timestep_embedder.linear_2"))
        .layer("csize_embedder\\.mlp\\.0", whole("adaln_single.emb.resolution_embedder.linear_1"))
        .layer("csize_embedder\\.mlp\\.2", whole("adaln_single.emb.resolution_embedder.linear_2"))
        .layer("ar_embedder\\.mlp\\.0", whole("adaln_single.emb.aspect_ratio_embedder.linear_1"))
        .layer("ar_embedder\\.mlp\\.2", whole("adaln_single.emb.aspect_ratio_embedder.linear_2"))
        .layer("y_embedder\\.y_proj\\.fc1", whole("caption_projection.linear_1"))
        .layer("y_embedder\\.y_proj\\.fc2", whole("caption_projection.linear_2"))
        .layer("final_layer\\.adaLN_modulation\\.1", whole("proj_out_1"))
        .rule("final_layer\\.scale_shift_table", whole("scale_shift_table"))
        .layer("final_layer\\.linear", whole(finalLinear));
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
