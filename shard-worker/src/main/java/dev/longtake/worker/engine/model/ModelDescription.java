package dev.longtake.worker.engine.model;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A diffusion transformer as data: everything the passes and the executor need to know about an architecture.
 *
 * @param channels C, the hidden width
 * @param latentChannels of the input, and of the prediction that the sampler uses
 * @param outputChannels of the final layer; with a learned variance twice the latent channels, the first half being the
 *     prediction
 * @param positions added to the embedded patches, and to text tokens that are part of the sequence
 * @param rotary null where no attention is rotary
 * @param normEpsilon of the layer norms
 * @param qkNormEpsilon of the RMS norms on q and k
 * @param text null where the model reads no text tokens
 * @param pooledText null where the model reads no pooled text
 * @param finalLayer on the patches
 */
public record ModelDescription(
    String architecture,
    int channels,
    int heads,
    int latentChannels,
    int outputChannels,
    PatchEmbedding patches,
    List<Position> positions,
    @Nullable Rotary rotary,
    float normEpsilon,
    float qkNormEpsilon,
    List<VectorOp> vectors,
    @Nullable TextInput text,
    @Nullable PooledInput pooledText,
    List<Block> blocks,
    FinalLayer finalLayer) {
  public ModelDescription {
    positions = List.copyOf(positions);
    vectors = List.copyOf(vectors);
    blocks = List.copyOf(blocks);
  }

  public int headDimension() {
    return channels / heads;
  }

  /** The same model with other blocks. */
  public ModelDescription withBlocks(List<Block> others) {
    return new ModelDescription(
        architecture,
        channels,
        heads,
        latentChannels,
        outputChannels,
        patches,
        positions,
        rotary,
        normEpsilon,
        qkNormEpsilon,
        vectors,
        text,
        pooledText,
        others,
        finalLayer);
  }

  /** Whether text tokens are tokens of the network, with a residual stream. */
  public boolean textIsSequence() {
    return blocks.stream()
        .flatMap(block -> block.ops().stream())
        .anyMatch(ModelDescription::onText);
  }

  private static boolean onText(Op op) {
    return switch (op) {
      case Op.SelfAttention attention ->
          attention.parts().stream().anyMatch(part -> part.stream().hasText());
      case Op.ParallelAttention _ -> true;
      case Op.Mlp mlp -> mlp.stream().hasText();
      case Op.CrossAttention _, Op.AddPosition _ -> false;
    };
  }

  /** Classes the model knows, without the null class; 0 where it has no labels. */
  public int classes() {
    return vectors.stream()
        .mapToInt(op -> op instanceof VectorOp.ClassEmbedding labels ? labels.classes() : 0)
        .max()
        .orElse(0);
  }
}
