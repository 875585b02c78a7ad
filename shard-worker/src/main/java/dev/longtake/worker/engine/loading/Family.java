package dev.longtake.worker.engine.loading;

import dev.longtake.common.model.SamplerKind;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Models whose checkpoints have tensors of the same names, in one of the published layouts. */
@SuppressWarnings("ImmutableEnumChecker") // its lists are made by List.of
public enum Family {
  MMDIT(
      "MMDiT (Open-Sora 2.0)",
      SamplerKind.OPEN_SORA_2,
      List.of("MMDiTModel"),
      List.of(
          "img_in.weight",
          "txt_in.weight",
          "time_in.in_layer.weight",
          "double_blocks.0.img_mod.lin.weight",
          "single_blocks.0.modulation.lin.weight",
          "final_layer.linear.weight"),
      ""),
  STDIT3(
      "STDiT3 (Open-Sora 1.2)",
      SamplerKind.RFLOW,
      List.of("STDiT3"),
      List.of(
          Names.PATCHES,
          Names.SHARED_VECTORS,
          "fps_embedder.mlp.0.weight",
          "spatial_blocks.0.attn.qkv.weight",
          "temporal_blocks.0.attn.qkv.weight",
          Names.FINAL),
      ""),
  STDIT2(
      "STDiT2 (Open-Sora 1.1)",
      SamplerKind.IDDPM_FLOAT32,
      List.of("STDiT2"),
      List.of(
          Names.PATCHES,
          Names.SHARED_VECTORS,
          "t_block_temp.1.weight",
          "fl_embedder.mlp.0.weight",
          Names.TEMPORAL,
          Names.TEXT,
          Names.FINAL),
      ""),
  STDIT1(
      "STDiT (Open-Sora 1.0)",
      SamplerKind.IDDPM,
      List.of("STDiT"),
      List.of(Names.PATCHES, Names.SHARED_VECTORS, Names.TEMPORAL, Names.TEXT, Names.FINAL),
      "t_block_temp.1.weight"),
  PIXART(
      "PixArt",
      SamplerKind.DPM_SOLVER,
      List.of("PixArt", "PixArtMS", "PixArt_Sigma", "PixArtMS_Sigma"),
      List.of(
          Names.PATCHES, Names.SHARED_VECTORS, "blocks.0.attn.qkv.weight", Names.TEXT, Names.FINAL),
      Names.TEMPORAL),
  MARCH(
      "DiT (Open-Sora, March 2024)",
      SamplerKind.IDDPM,
      List.of("DiT"),
      List.of(
          "video_embedder.proj.weight",
          "blocks.0.attn.to_q.weight",
          "blocks.0.adaLN_modulation.1.weight",
          Names.FINAL),
      ""),
  DIT(
      "DiT or Latte",
      SamplerKind.IDDPM,
      List.of("DiT", "Latte"),
      List.of(
          Names.PATCHES,
          "blocks.0.attn.qkv.weight",
          "blocks.0.adaLN_modulation.1.weight",
          "final_layer.adaLN_modulation.1.weight",
          Names.FINAL),
      ""),
  DIFFUSERS_DIT(
      "DiT in the layout of diffusers",
      SamplerKind.DDIM,
      List.of("DiTTransformer2DModel"),
      List.of(
          Names.DIFFUSERS_PATCHES,
          "transformer_blocks.0.norm1.linear.weight",
          "proj_out_1.weight",
          "proj_out_2.weight"),
      ""),
  DIFFUSERS_LATTE(
      "Latte in the layout of diffusers",
      SamplerKind.DDIM,
      List.of("LatteTransformer3DModel", "LatteT2V"),
      List.of(
          Names.DIFFUSERS_PATCHES,
          "adaln_single.linear.weight",
          "transformer_blocks.0.attn2.to_q.weight",
          Names.DIFFUSERS_TEMPORAL,
          "proj_out.weight"),
      ""),
  DIFFUSERS_PIXART(
      "PixArt in the layout of diffusers",
      SamplerKind.DPM_SOLVER,
      List.of("PixArtTransformer2DModel"),
      List.of(
          Names.DIFFUSERS_PATCHES,
          "adaln_single.linear.weight",
          "transformer_blocks.0.attn2.to_q.weight",
          "proj_out.weight"),
      Names.DIFFUSERS_TEMPORAL);

  /** Tensors that several families have. */
  private static final class Names {
    static final String PATCHES = "x_embedder.proj.weight";
    static final String SHARED_VECTORS = "t_block.1.weight";
    static final String TEMPORAL = "blocks.0.attn_temp.qkv.weight";
    static final String TEXT = "blocks.0.cross_attn.q_linear.weight";
    static final String FINAL = "final_layer.linear.weight";
    static final String DIFFUSERS_PATCHES = "pos_embed.proj.weight";
    static final String DIFFUSERS_TEMPORAL = "temporal_transformer_blocks.0.attn1.to_q.weight";
  }

  private final String title;
  private final SamplerKind sampler;
  private final List<String> architectures;
  private final List<String> required;
  private final String forbidden;

  /**
   * @param sampler that the published models of the family are run with
   * @param architectures as configurations name them
   * @param required tensors that all checkpoints of the family have
   * @param forbidden a tensor that tells another family from this, or empty
   */
  Family(
      String title,
      SamplerKind sampler,
      List<String> architectures,
      List<String> required,
      String forbidden) {
    this.title = title;
    this.sampler = sampler;
    this.architectures = architectures;
    this.required = required;
    this.forbidden = forbidden;
  }

  /** The family that a checkpoint's tensors belong to; absent when they fit none. */
  public static Optional<Family> of(Set<String> names) {
    return Arrays.stream(values()).filter(family -> family.fits(names)).findFirst();
  }

  private boolean fits(Set<String> names) {
    return names.containsAll(required) && !names.contains(forbidden);
  }

  /** The family of which the most typical tensors are there. */
  static Family nearest(Set<String> names) {
    return Arrays.stream(values())
        .reduce((a, b) -> b.share(names) > a.share(names) ? b : a)
        .orElseThrow();
  }

  /** How much of what is typical is there, 0 to 1. */
  double share(Set<String> names) {
    return 1 - (double) missing(names).size() / required.size();
  }

  /** Typical tensors that are not there. */
  List<String> missing(Set<String> names) {
    return required.stream().filter(name -> !names.contains(name)).toList();
  }

  /** For people. */
  public String title() {
    return title;
  }

  /** The sampler that published models of the family come with. */
  public SamplerKind sampler() {
    return sampler;
  }

  /** Whether names and partition of the tensors are those of diffusers, not of the model's authors. */
  public boolean isDiffusers() {
    return this == DIFFUSERS_DIT || this == DIFFUSERS_LATTE || this == DIFFUSERS_PIXART;
  }

  boolean hasArchitecture(String architecture) {
    return architectures.contains(architecture);
  }
}
