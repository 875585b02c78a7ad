package dev.longtake.worker.order;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.TextCondition;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.exec.TextRow;
import dev.longtake.worker.engine.model.ModelDescription;

/** The parts that all orders have: sizes and texts, checked against the model. */
final class OrderGeometry {
  private OrderGeometry() {}

  static Geometry geometry(
      ClipGeometry clip, ModelDescription model, int branches, Exchange exchange) {
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
    Patching patching =
        new Patching(
            clip.getLatentFrames(),
            clip.getLatentHeight(),
            clip.getLatentWidth(),
            model.patchSize().frames(),
            model.patchSize().height(),
            model.patchSize().width());
    return new Geometry(
        branches,
        patching,
        clip.getPixelHeight(),
        clip.getPixelWidth(),
        clip.getPixelFrames(),
        exchange.rank(),
        exchange.ranks());
  }

  static TextRow text(TextCondition text, ModelDescription model) {
    return switch (text.getTextCase()) {
      case EMBEDDING -> {
        int tokens =
            tokens(
                text.getEmbedding().getShapeCount() == 0 ? 0 : text.getEmbedding().getShape(0),
                model);
        yield new TextRow.Encoded(
            ProtoTensors.floats(
                text.getEmbedding(), "embedding", tokens, model.text().textChannels()),
            tokens);
      }
      case NULL_TOKENS -> new TextRow.Null(tokens(text.getNullTokens(), model));
      case TEXT_NOT_SET ->
          throw LongtakeException.invalidField(
              "text",
              "Expected a text embedding or the null caption for every row, but got neither");
    };
  }

  private static int tokens(long tokens, ModelDescription model) {
    require(
        tokens >= 1 && tokens <= model.text().maxTokens(),
        "text",
        "Expected 1 to %d text tokens, but got %d".formatted(model.text().maxTokens(), tokens));
    return (int) tokens;
  }

  static void require(boolean condition, String field, String message) {
    if (!condition) {
      throw LongtakeException.invalidField(field, message);
    }
  }
}
