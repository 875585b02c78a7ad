package dev.longtake.worker.order;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.model.ModelDescription;

/** The sizes that all orders have, checked against the model. */
final class OrderGeometry {
  private OrderGeometry() {}

  static Geometry geometry(
      ClipGeometry clip, ModelDescription model, int branches, ExecutionPlan plan, int rank) {
    require(
        clip.getLatentFrames() >= 1 && clip.getLatentHeight() >= 1 && clip.getLatentWidth() >= 1,
        "geometry",
        "Expected at least one latent frame, row and column, but got %d, %d and %d"
            .formatted(clip.getLatentFrames(), clip.getLatentHeight(), clip.getLatentWidth()));
    require(
        clip.getPixelHeight() > 0 && clip.getPixelWidth() > 0,
        "geometry",
        "Expected a positive pixel height and width, but got %s and %s"
            .formatted(clip.getPixelHeight(), clip.getPixelWidth()));
    var patch = model.patches().size();
    require(
        !model.patches().dropsIncomplete()
            || (clip.getLatentHeight() % patch.height() == 0
                && clip.getLatentWidth() % patch.width() == 0),
        "geometry",
        "Expected a latent height and width that are multiples of the model's patch, %d and %d, but got %d and %d"
            .formatted(
                patch.height(), patch.width(), clip.getLatentHeight(), clip.getLatentWidth()));
    Patching patching =
        new Patching(
            clip.getLatentFrames(),
            clip.getLatentHeight(),
            clip.getLatentWidth(),
            model.patches().size().frames(),
            model.patches().size().height(),
            model.patches().size().width());
    return new Geometry(
        branches,
        patching,
        clip.getPixelHeight(),
        clip.getPixelWidth(),
        clip.getPixelFrames(),
        plan.place(rank).sequenceRank(),
        plan.shares());
  }

  static void require(boolean condition, String field, String message) {
    if (!condition) {
      throw LongtakeException.invalidField(field, message);
    }
  }
}
