package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Partition;
import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Sequences;
import dev.longtake.worker.engine.model.Stream;
import java.util.ArrayList;
import java.util.List;

/**
 * The keys of an attention over all tokens of the whole clip, as rows of one matrix: for each branch its text tokens, where they
 * are part of the sequence, and then its patches. Text tokens are divided among the ranks like everything else.
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
      ranges.add(new Partition(textTokens(branch), geometry.ranks()).of(ofRank));
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

  /** Keys of all branches. */
  int rows() {
    return firstRow(condition.count());
  }

  /** Where a rank's text tokens of a branch are. */
  Range textRows(int branch, int ofRank) {
    Range tokens = textRanges(ofRank).get(branch);
    int first = firstRow(branch);
    return new Range(first + tokens.start(), first + tokens.end());
  }

  /** Where a rank's patches of a branch are. */
  Range patchRows(int branch, int ofRank) {
    Range frames = geometry.frameRange(ofRank);
    int perFrame = geometry.patching().patchesPerFrame();
    int first = firstRow(branch) + textTokens(branch);
    return new Range(first + frames.start() * perFrame, first + frames.end() * perFrame);
  }

  /** For each sequence of queries ({@link TokenLayout#branchSequences}) the keys of its branch. */
  Sequences keys(Stream queries) {
    int branches = condition.count();
    int copies = queries == Stream.ALL ? 2 : 1;
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
