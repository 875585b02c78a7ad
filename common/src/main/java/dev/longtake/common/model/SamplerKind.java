package dev.longtake.common.model;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** The sampler that a model was made for, as {@code scheduler} in a {@code model_index.json} names it. */
public enum SamplerKind {
  /** Rectified flow of Open-Sora 1.2. */
  RFLOW("rflow"),
  /** Rectified flow of Open-Sora 2.0. */
  OPEN_SORA_2("open-sora-2"),
  /** Ancestral sampling with respaced timesteps: DiT, Open-Sora 1.0. */
  IDDPM("iddpm"),
  /** The same with tables in float32: Open-Sora 1.1. */
  IDDPM_FLOAT32("iddpm-float32"),
  /** DDIM, deterministic. */
  DDIM("ddim"),
  /** DPM-Solver++ of order 2: PixArt. */
  DPM_SOLVER("dpm-solver++");

  private final String label;

  SamplerKind(String label) {
    this.label = label;
  }

  /** The name in a {@code model_index.json}. */
  public String label() {
    return label;
  }

  static Optional<SamplerKind> of(String label) {
    return Arrays.stream(values()).filter(kind -> kind.label.equals(label)).findFirst();
  }

  static List<String> labels() {
    return Arrays.stream(values()).map(SamplerKind::label).toList();
  }
}
