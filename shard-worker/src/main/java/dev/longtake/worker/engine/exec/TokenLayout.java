package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Sequences;
import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.Stream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The tokens a rank holds, or some of them, as rows of its matrices: in front the text tokens, branch by branch, where text is part of
 * the sequence; then the patches as {@code [branch, frame, patch]}.
 *
 * @param branches range of the lane's branches; all where there is text
 * @param frames range of the clip's token frames
 * @param patches range of a frame's patches
 * @param text range of each branch's text tokens; empty where text is no part of the sequence
 */
public record TokenLayout(Range branches, Range frames, Range patches, List<Range> text) {
  public TokenLayout {
    text = List.copyOf(text);
  }

  /** A layout without text tokens. */
  TokenLayout(Range branches, Range frames, Range patches) {
    this(branches, frames, patches, List.of());
  }

  /** Rows of a stream, or of all. */
  public int rows() {
    return textRows() + patchRows();
  }

  /** Rows of all branches' text tokens. */
  public int textRows() {
    int rows = 0;
    for (Range range : text) {
      rows += range.size();
    }
    return rows;
  }

  /** Rows of all branches' patches. */
  public int patchRows() {
    return branches.size() * patchesOfBranch();
  }

  int patchesOfBranch() {
    return frames.size() * patches.size();
  }

  /** The rows of a stream. */
  Range rows(Stream stream) {
    return switch (stream) {
      case TEXT -> new Range(0, textRows());
      case PATCHES -> new Range(textRows(), rows());
      case ALL -> new Range(0, rows());
    };
  }

  /** The rows of one branch's text tokens. */
  Range textRows(int branch) {
    int from = text.stream().limit(branch).mapToInt(Range::size).sum();
    return new Range(from, from + text.get(branch).size());
  }

  /** The rows of the patches of one of the branches, counted from the first that is here. */
  Range patchRows(int branch) {
    int from = textRows() + branch * patchesOfBranch();
    return new Range(from, from + patchesOfBranch());
  }

  /** The sequences of patches that an attention along {@code axis} runs over; there is no text. */
  Sequences sequences(Axis axis) {
    int frameCount = frames.size();
    int patchCount = patches.size();
    return switch (axis) {
      case SPATIAL -> {
        int[] first = new int[branches.size() * frameCount];
        Arrays.setAll(first, s -> s * patchCount);
        yield new Sequences(first, filled(first.length, patchCount), 1);
      }
      case TEMPORAL -> {
        int[] first = new int[branches.size() * patchCount];
        Arrays.setAll(first, s -> s / patchCount * frameCount * patchCount + s % patchCount);
        yield new Sequences(first, filled(first.length, frameCount), patchCount);
      }
      case FULL -> branchSequences(Stream.PATCHES);
    };
  }

  /** Each branch's rows of a stream; for {@link Stream#ALL} first the texts, then the patches. */
  Sequences branchSequences(Stream stream) {
    List<Range> ranges = new ArrayList<>();
    for (int branch = 0; stream.hasText() && branch < branches.size(); branch++) {
      ranges.add(textRows(branch));
    }
    for (int branch = 0; stream.hasPatches() && branch < branches.size(); branch++) {
      ranges.add(patchRows(branch));
    }
    return new Sequences(
        ranges.stream().mapToInt(Range::start).toArray(),
        ranges.stream().mapToInt(Range::size).toArray(),
        1);
  }

  private static int[] filled(int length, int value) {
    int[] values = new int[length];
    Arrays.fill(values, value);
    return values;
  }
}
