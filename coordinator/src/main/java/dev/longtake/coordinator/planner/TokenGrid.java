package dev.longtake.coordinator.planner;

import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.ModelProfile;

/**
 * The tokens of one row of the batch: F token frames of P patches, and T text tokens where they are tokens of the network.
 *
 * @param latentFrames of the clip
 * @param latentsPerFrame latents of one channel in a latent frame
 * @param patchFrames latent frames of a token frame
 */
record TokenGrid(
    int frames, int patches, int text, int latentFrames, long latentsPerFrame, int patchFrames) {

  static TokenGrid of(ModelProfile profile, ClipGeometry clip, int textTokens) {
    int patchFrames = Math.max(1, profile.getPatchFrames());
    return new TokenGrid(
        Math.ceilDiv(clip.getLatentFrames(), patchFrames),
        side(clip.getLatentHeight(), profile.getPatchHeight(), profile)
            * side(clip.getLatentWidth(), profile.getPatchWidth(), profile),
        profile.getTextInSequence() ? textTokens : 0,
        clip.getLatentFrames(),
        (long) clip.getLatentHeight() * clip.getLatentWidth(),
        patchFrames);
  }

  static TokenGrid of(Workload workload) {
    return of(workload.profile(), workload.clip(), workload.textTokens());
  }

  private static int side(int latents, int patch, ModelProfile profile) {
    int size = Math.max(1, patch);
    return profile.getDropsIncompletePatches() ? latents / size : Math.ceilDiv(latents, size);
  }

  /** Of one row, text in the sequence included. */
  long tokens() {
    return (long) frames * patches + text;
  }

  /** Latent frames that belong to the first token frames. */
  int latentFramesOf(int tokenFrames) {
    return Math.min(tokenFrames * patchFrames, latentFrames);
  }
}
