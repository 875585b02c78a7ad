package dev.longtake.coordinator.planner;

import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Plan;

/** Divides a job among workers. */
public final class Planner {
  private Planner() {}

  /**
   * Uses every worker that gets a part: a rank without a latent frame idles in spatial blocks, one without a patch in
   * temporal blocks, and one with neither always.
   *
   * @param request with every default filled in
   * @param workers how many could take part, at least 1
   */
  public static Plan plan(ModelCard card, GenerationRequest request, int workers) {
    if (workers < 1) {
      throw new IllegalArgumentException("Expected at least one worker, but got " + workers);
    }
    ClipGeometry clip = Clips.geometry(card, request);
    int frames = clip.getLatentFrames();
    int patches = Clips.patchesPerFrame(clip);
    int useful = Math.max(frames, patches);
    int ranks = Math.min(workers, useful);
    String shape =
        "%d latent frame%s of %d patches".formatted(frames, frames == 1 ? "" : "s", patches);
    String reason;
    if (workers == 1) {
      reason = "one idle worker holds all " + shape;
    } else if (ranks < workers) {
      reason =
          "%d of %d idle workers share %s; more would have nothing to do"
              .formatted(ranks, workers, shape);
    } else {
      reason = "all %d idle workers share %s".formatted(workers, shape);
    }
    return Plan.newBuilder().setSequenceRanks(ranks).setReason(reason).build();
  }
}
