package dev.longtake.worker.order;

import static dev.longtake.worker.order.OrderGeometry.require;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.RowCondition;
import dev.longtake.worker.engine.exec.Branch;
import dev.longtake.worker.engine.exec.TextRow;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.NullText;
import dev.longtake.worker.engine.model.PooledInput;
import dev.longtake.worker.engine.model.TextInput;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What rows are conditioned on, checked against the model. */
final class OrderConditions {
  private OrderConditions() {}

  static Branch branch(
      int sample, RowCondition condition, Branch.Scalars scalars, ModelDescription model) {
    return branch(sample, condition, scalars, model, /* unconditional= */ false);
  }

  /** A null condition that the order gives. */
  static Branch givenNullBranch(
      int sample, RowCondition condition, Branch.Scalars scalars, ModelDescription model) {
    return branch(sample, condition, scalars, model, /* unconditional= */ true);
  }

  private static Branch branch(
      int sample,
      RowCondition condition,
      Branch.Scalars scalars,
      ModelDescription model,
      boolean unconditional) {
    TextRow text = text(condition, model.text(), unconditional);
    require(
        condition.getPaddedTokens() >= 0 && condition.getPaddedSequence() >= 0,
        "padded_tokens",
        "Expected padded_tokens and padded_sequence of at least 0, but got %d and %d"
            .formatted(condition.getPaddedTokens(), condition.getPaddedSequence()));
    return new Branch(
        sample,
        text,
        pooledText(condition, model.pooledText()),
        classLabel(condition, model),
        scalars,
        Math.max(condition.getPaddedTokens(), text.tokens()),
        condition.getPaddedSequence());
  }

  /** The model's own null condition, as long as the given branch's text. */
  static Branch nullBranch(Branch of, ModelDescription model) {
    boolean encoded =
        (model.text() != null && model.text().nullText() instanceof NullText.Encoded)
            || (model.pooledText() != null
                && model.pooledText().nullText() instanceof NullText.Encoded);
    require(
        !encoded,
        "null_conditions",
        "Expected the encoded empty prompt as null condition of every sample, because %s has none of its own, but got none"
            .formatted(model.architecture()));
    int tokens = of.text().tokens();
    return new Branch(
        of.sample(),
        tokens == 0 ? new TextRow.None() : new TextRow.Null(tokens),
        /* pooledText= */ null,
        /* classLabel= */ null,
        of.scalars(),
        of.paddedTokens(),
        of.paddedSequence());
  }

  private static TextRow text(
      RowCondition condition, @Nullable TextInput input, boolean unconditional) {
    if (input == null) {
      require(
          condition.getTextCase() == RowCondition.TextCase.TEXT_NOT_SET,
          "text",
          "Expected no text tokens, because the model reads none, but got some");
      return new TextRow.None();
    }
    return switch (condition.getTextCase()) {
      case EMBEDDING -> {
        var embedding = condition.getEmbedding();
        int tokens = tokens(embedding.getShapeCount() == 0 ? 0 : embedding.getShape(0), input);
        List<Integer> ids = condition.getTokenIdsList();
        require(
            ids.isEmpty() || ids.size() == tokens,
            "token_ids",
            "Expected the ids of all %d tokens of the embedding or none, but got %d"
                .formatted(tokens, ids.size()));
        yield new TextRow.Encoded(
            ProtoTensors.floats(embedding, "embedding", tokens, input.channels()),
            tokens,
            ids,
            unconditional);
      }
      case NULL_TOKENS -> {
        require(
            !(input.nullText() instanceof NullText.Encoded),
            "null_tokens",
            "Expected a text embedding, because the model has no null caption, but got"
                + " null_tokens");
        yield new TextRow.Null(tokens(condition.getNullTokens(), input));
      }
      case TEXT_NOT_SET ->
          throw LongtakeException.invalidField(
              "text",
              "Expected a text embedding or the null caption for every row, but got neither");
    };
  }

  private static int tokens(long tokens, TextInput input) {
    require(
        tokens >= 1 && tokens <= input.maxTokens(),
        "text",
        "Expected 1 to %d text tokens, but got %d".formatted(input.maxTokens(), tokens));
    return (int) tokens;
  }

  private static float @Nullable [] pooledText(
      RowCondition condition, @Nullable PooledInput input) {
    if (!condition.hasPooledText()) {
      require(
          input == null || !(input.nullText() instanceof NullText.Encoded),
          "pooled_text",
          "Expected a pooled text for every row, because the model has none of its own, but got"
              + " none");
      return null;
    }
    require(
        input != null,
        "pooled_text",
        "Expected no pooled text, because the model reads none, but got one");
    return input == null
        ? null
        : ProtoTensors.floats(condition.getPooledText(), "pooled_text", input.channels());
  }

  private static @Nullable Integer classLabel(RowCondition condition, ModelDescription model) {
    if (!condition.hasClassLabel()) {
      return null;
    }
    int classes = model.classes();
    int label = condition.getClassLabel();
    require(
        classes > 0,
        "class_label",
        "Expected no class label, because the model has no classes, but got " + label);
    require(
        label >= 0 && label <= classes,
        "class_label",
        "Expected a class label of 0 to %d, or %d for no class, but got %d"
            .formatted(classes - 1, classes, label));
    return label;
  }
}
