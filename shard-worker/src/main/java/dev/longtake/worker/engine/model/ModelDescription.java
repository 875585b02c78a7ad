package dev.longtake.worker.engine.model;

import java.util.List;

/**
 * A diffusion transformer as data: everything the passes and the executor need to know about an architecture.
 *
 * @param channels C, the hidden width
 * @param latentChannels of the input, and of the prediction that the sampler uses
 * @param outputChannels of the final layer; with a learned variance twice the latent channels, the first half being the
 *     prediction
 * @param patchEmbedding name of the convolution whose stride is its kernel
 * @param rotaryFrequencies name of the stored frequencies [D / 2] where any attention is rotary
 * @param normEpsilon of the layer norms
 * @param qkNormEpsilon of the RMS norms on q and k
 */
public record ModelDescription(
    String architecture,
    int channels,
    int heads,
    int latentChannels,
    int outputChannels,
    PatchSize patchSize,
    String patchEmbedding,
    PositionTable position,
    String rotaryFrequencies,
    float normEpsilon,
    float qkNormEpsilon,
    List<VectorOp> vectors,
    TextProjection text,
    List<Block> blocks,
    FinalLayer finalLayer) {
  public ModelDescription {
    vectors = List.copyOf(vectors);
    blocks = List.copyOf(blocks);
  }

  public int headDimension() {
    return channels / heads;
  }
}
