package dev.longtake.common.model;

/**
 * What a model was made for, and what a request gets that does not say otherwise.
 *
 * @param frames video frames
 * @param height pixels
 * @param width pixels
 * @param fps frames per second of the video, which the model is told too
 * @param steps of the sampler
 * @param guidance scale of classifier-free guidance
 * @param guidedChannels guidance acts on the first channels only; 0 for all
 * @param timestepTransform whether timesteps are shifted with resolution and length, as in Open-Sora 1.2
 * @param numTimesteps the timestep of pure noise
 * @param spatialCompression pixels per latent, along each image side
 * @param temporalCompression frames per latent frame
 * @param maxTextTokens tokens a prompt may have
 * @param conditionFrameLength frames of one clip that are given to the next when a video is made longer
 */
public record ModelDefaults(
    int frames,
    int height,
    int width,
    double fps,
    int steps,
    SamplerKind sampler,
    double guidance,
    int guidedChannels,
    boolean timestepTransform,
    int numTimesteps,
    int spatialCompression,
    int temporalCompression,
    int latentChannels,
    int maxTextTokens,
    int conditionFrameLength) {

  /** For a transformer without a model around it: the values of Open-Sora 1.2, with what the config says itself. */
  static ModelDefaults bare(DitConfig dit) {
    return new ModelDefaults(
        /* frames= */ 16,
        /* height= */ 256,
        /* width= */ 256,
        /* fps= */ 24,
        /* steps= */ 30,
        SamplerKind.RFLOW,
        /* guidance= */ 7,
        /* guidedChannels= */ 0,
        /* timestepTransform= */ true,
        /* numTimesteps= */ 1000,
        /* spatialCompression= */ 8,
        /* temporalCompression= */ 1,
        dit.intOr("in_channels", 4),
        dit.intOr("model_max_length", 300),
        /* conditionFrameLength= */ 0);
  }
}
