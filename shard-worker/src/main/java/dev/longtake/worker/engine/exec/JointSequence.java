package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Partition;
import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Sequences;
import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.Stream;
import dev.longtake.worker.engine.program.Split;
import java.util.ArrayList;
import java.util.List;

/**
 * The tokens of the whole clip as rows of one matrix: for each branch its text tokens, where they are part of the sequence, and then
 * its patches, {@code [frame, patch]}. Attention that reaches tokens of other ranks sees keys in this order, whoever held them.
 * Text tokens are divided among the ranks like everything else.
 */
final class JointSequence {
  private final Geometry geometry;
  private final Condition condition;
  private final boolean text;

  /**
   * @param text whether text tokens are part of the sequence
   */
  JointSequence(Geometry geometry, Condition condition, boolean text) {
    this.geometry = geometry;
    this.condition = condition;
    this.text = text;
  }

  /** The text tokens of each branch that a rank holds; empty where text is no part of the sequence. */
  List<Range> textRanges(int ofRank) {
    List<Range> ranges = new ArrayList<>();
    for (int branch = 0; text && branch < condition.count(); branch++) {
      ranges.add(new Partition(textTokens(branch), geometry.shares()).of(ofRank));
    }
    return ranges;
  }

  /** The same as ranges of all branches' text tokens, packed behind each other. */
  List<Range> packedText(int ofRank) {
    List<Range> packed = new ArrayList<>();
    int first = 0;
    for (Range range : textRanges(ofRank)) {
      packed.add(new Range(first + range.start(), first + range.end()));
      first += textTokens(packed.size() - 1);
    }
    return packed;
  }

  private int textTokens(int branch) {
    return text ? condition.branches().get(branch).text().tokens() : 0;
  }

  private int patches() {
    return geometry.patching().gridFrames() * geometry.patching().patchesPerFrame();
  }

  private int firstRow(int branch) {
    int row = branch * patches();
    for (int before = 0; before < branch; before++) {
      row += textTokens(before);
    }
    return row;
  }

  /** Tokens of all branches. */
  int rows() {
    return firstRow(condition.count());
  }

  /** Tokens of all branches that a rank holds under a split. */
  int rowsOf(int ofRank, Split split) {
    return pieces(ofRank, split).stream().mapToInt(Range::size).sum();
  }

  /** A rank's rows under a split, in the order in which they travel: that of the joint sequence. */
  List<Range> pieces(int ofRank, Split split) {
    List<Range> pieces = new ArrayList<>();
    List<Range> texts = textRanges(ofRank);
    int perFrame = geometry.patching().patchesPerFrame();
    for (int branch = 0; branch < condition.count(); branch++) {
      int first = firstRow(branch);
      if (text) {
        pieces.add(moved(texts.get(branch), first));
      }
      int firstPatch = first + textTokens(branch);
      switch (split) {
        case FRAME -> {
          Range frames = geometry.frameRange(ofRank);
          pieces.add(
              new Range(
                  firstPatch + frames.start() * perFrame, firstPatch + frames.end() * perFrame));
        }
        case PATCH -> {
          Range held = geometry.patchRange(ofRank);
          for (int frame = 0; frame < geometry.patching().gridFrames(); frame++) {
            pieces.add(moved(held, firstPatch + frame * perFrame));
          }
        }
      }
    }
    return pieces;
  }

  private static Range moved(Range range, int by) {
    return new Range(by + range.start(), by + range.end());
  }

  /**
   * For each sequence of a rank's queries ({@link TokenLayout#sequences}, {@link TokenLayout#branchSequences}) its keys.
   *
   * @param queries the stream that they are of; text has attention over all tokens only
   */
  Sequences keys(Axis axis, Stream queries) {
    return switch (axis) {
      case FULL -> branchKeys(queries == Stream.ALL ? 2 : 1);
      // A rank that has some tokens of every frame, or of every patch, has as many sequences as the
      // whole.
      case SPATIAL, TEMPORAL -> whole().sequences(axis);
    };
  }

  /** The sequences of all tokens, queries and keys alike. */
  Sequences sequences(Axis axis) {
    return switch (axis) {
      case FULL -> branchKeys(/* copies= */ 1);
      case SPATIAL, TEMPORAL -> whole().sequences(axis);
    };
  }

  /** All tokens as a layout; where attention has an axis, text is no part of the sequence. */
  private TokenLayout whole() {
    return new TokenLayout(
        new Range(0, condition.count()),
        new Range(0, geometry.patching().gridFrames()),
        new Range(0, geometry.patching().patchesPerFrame()));
  }

  private Sequences branchKeys(int copies) {
    int branches = condition.count();
    int[] first = new int[copies * branches];
    int[] length = new int[first.length];
    for (int i = 0; i < first.length; i++) {
      int branch = i % branches;
      first[i] = firstRow(branch);
      length[i] = firstRow(branch + 1) - firstRow(branch);
    }
    return new Sequences(first, length, 1);
  }
}
