package dev.longtake.worker.engine.model;

import dev.longtake.worker.device.PatchOrder;
import java.util.List;

/**
 * How latents become tokens and tokens latents.
 *
 * @param layer a convolution whose stride is its kernel, or the same as a matrix
 * @param weightShape of the layer in the checkpoint; C first, the rest ordered channel, frame, row, column
 * @param outputOrder of the values that the final layer makes for a patch
 * @param dropsIncomplete the model knows no incomplete patches: sizes must be multiples of the patch's
 * @param reference name of a second layer [C, (1 + latent channels) * volume] that embeds a mask and masked reference latents,
 *     or empty
 */
public record PatchEmbedding(
    String layer,
    List<Integer> weightShape,
    PatchSize size,
    PatchOrder outputOrder,
    boolean dropsIncomplete,
    String reference) {
  public PatchEmbedding {
    weightShape = List.copyOf(weightShape);
  }

  public boolean hasReference() {
    return !reference.isEmpty();
  }
}
