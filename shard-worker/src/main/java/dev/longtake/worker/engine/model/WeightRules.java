package dev.longtake.worker.engine.model;

import dev.longtake.common.checkpoint.Piece;
import dev.longtake.common.checkpoint.WeightNames;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A checkpoint's layout as rules: which of its tensors make up one of the model's. The first rule that fits counts; a name that
 * none fits is in the file as it is.
 */
final class WeightRules implements WeightNames {
  private final List<Rule> rules = new ArrayList<>();

  /**
   * @param name of the model's tensor
   * @param sources in order along the first axis
   */
  private record Rule(Pattern name, List<Source> sources) {}

  /**
   * A tensor of the file.
   *
   * @param name with groups of the rule's pattern, {@code $1}
   */
  record Source(String name, long rowStart, long rowEnd) {}

  /** A whole tensor. */
  static Source whole(String name) {
    return new Source(name, 0, Piece.ALL_ROWS);
  }

  /** Some rows of a tensor. */
  static Source rows(String name, long start, long end) {
    return new Source(name, start, end);
  }

  /** Adds a rule for names that the expression matches wholly. */
  WeightRules rule(String expression, Source... sources) {
    rules.add(new Rule(Pattern.compile(expression), List.of(sources)));
    return this;
  }

  /** A rule for the weight and the bias of a layer; sources name layers. */
  WeightRules layer(String expression, Source... layers) {
    Pattern pattern = Pattern.compile(expression + "\\.(?<tensor>weight|bias)");
    List<Source> sources = new ArrayList<>();
    for (Source layer : layers) {
      sources.add(new Source(layer.name() + ".${tensor}", layer.rowStart(), layer.rowEnd()));
    }
    rules.add(new Rule(pattern, List.copyOf(sources)));
    return this;
  }

  @Override
  public List<Piece> pieces(String name) {
    for (Rule rule : rules) {
      Matcher matcher = rule.name().matcher(name);
      if (matcher.matches()) {
        return rule.sources().stream()
            .map(source ->
                new Piece(matcher.replaceFirst(source.name()), source.rowStart(), source.rowEnd()))
            .toList();
      }
    }
    return List.of();
  }
}
