package dev.longtake.worker.order;

import static dev.longtake.worker.order.OrderGeometry.require;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.RowCondition;
import dev.longtake.worker.engine.exec.Branch;
import dev.longtake.worker.engine.exec.TextRow;
import dev.longtake.worker.engine.model.ModelDescription;

/** What rows are conditioned on, checked against the model. */
final class OrderConditions {
  private OrderConditions() {}

  static Branch branch(
      int sample, RowCondition condition, Branch.Scalars scalars, ModelDescription model) {
    TextRow text = text(condition, model);
    return new Branch(
        sample,
        text,
        /* pooledText= */ null,
        /* classLabel= */ null,
        scalars,
        Math.max(condition.getPaddedTokens(), text.tokens()),
        condition.getPaddedSequence());
  }

  /** The model's own null condition, as long as the given branch's text. */
  static Branch nullBranch(Branch of) {
    TextRow text = new TextRow.Null(of.text().tokens());
    return new Branch(
        of.sample(),
        text,
        /* pooledText= */ null,
        /* classLabel= */ null,
        of.scalars(),
        of.paddedTokens(),
        of.paddedSequence());
  }

  private static TextRow text(RowCondition condition, ModelDescription model) {
    return switch (condition.getTextCase()) {
      case EMBEDDING -> {
        var embedding = condition.getEmbedding();
        int tokens = tokens(embedding.getShapeCount() == 0 ? 0 : embedding.getShape(0), model);
        yield new TextRow.Encoded(
            ProtoTensors.floats(embedding, "embedding", tokens, model.text().textChannels()),
            tokens);
      }
      case NULL_TOKENS -> new TextRow.Null(tokens(condition.getNullTokens(), model));
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
}
