package dev.longtake.worker.engine.model;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.DitConfig;
import java.util.List;

/**
 * The sizes that all configurations of the Open-Sora lineage have under the same keys, checked.
 *
 * @param channels C
 * @param hidden width of the MLP
 * @param latentChannels of the latents
 * @param outputChannels of the prediction, with a learned variance twice the latent channels
 */
record Sizes(
    DitConfig config,
    int channels,
    int heads,
    int depth,
    int hidden,
    int latentChannels,
    int outputChannels) {

  /**
   * Reads {@code hidden_size}, {@code num_heads}, {@code depth}, {@code mlp_ratio} and {@code in_channels}.
   *
   * @param sigmaKey whether the model learns a variance
   */
  static Sizes read(DitConfig config, String sigmaKey) {
    int channels = config.requireInt("hidden_size");
    int heads = config.requireInt("num_heads");
    int depth = config.requireInt("depth");
    int latentChannels = config.intOr("in_channels", 4);
    double ratio = config.doubleOr("mlp_ratio", 4.0);
    require(
        channels >= 4
            && heads >= 1
            && channels % 4 == 0
            && channels % heads == 0
            && channels / heads % 2 == 0,
        config,
        "hidden_size to be a multiple of 4 and of num_heads with an even head width, but got hidden_size %d and num_heads %d"
            .formatted(channels, heads));
    require(
        depth >= 1 && latentChannels >= 1 && ratio > 0 && ratio <= 64,
        config,
        "a positive depth and in_channels and an mlp_ratio up to 64, but got %d, %d and %s"
            .formatted(depth, latentChannels, ratio));
    return new Sizes(
        config,
        channels,
        heads,
        depth,
        (int) (channels * ratio),
        latentChannels,
        config.booleanOr(sigmaKey, true) ? 2 * latentChannels : latentChannels);
  }

  /** The patch of a video model, three numbers. */
  PatchSize videoPatch() {
    List<Integer> sizes = config.requireIntList("patch_size");
    require(
        sizes.size() == 3 && sizes.stream().allMatch(size -> size >= 1),
        config,
        "patch_size to be three positive numbers (frames, height, width), but got " + sizes);
    return new PatchSize(sizes.get(0), sizes.get(1), sizes.get(2));
  }

  /** The square patch of an image model, one number. */
  PatchSize imagePatch() {
    int side = config.requireInt("patch_size");
    require(side >= 1, config, "a positive patch_size, but got " + side);
    return new PatchSize(1, side, side);
  }

  /** Shape of a convolution over frames, rows and columns. */
  List<Integer> videoKernel(PatchSize patch) {
    return List.of(channels, latentChannels, patch.frames(), patch.height(), patch.width());
  }

  /** Shape of a convolution over rows and columns. */
  List<Integer> imageKernel(PatchSize patch) {
    return List.of(channels, latentChannels, patch.height(), patch.width());
  }

  static void require(boolean condition, DitConfig config, String expectation) {
    if (!condition) {
      throw new LongtakeException(
          ErrorCode.INVALID_MODEL, "Expected %s; correct %s".formatted(expectation, config.file()));
    }
  }
}
