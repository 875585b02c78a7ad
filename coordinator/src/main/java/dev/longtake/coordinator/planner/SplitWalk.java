package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.v1.AttentionProfile;
import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.ModelProfile;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How the tokens are split in every block, and which exchanges that takes, by the engine's rules. With SWITCH the tokens begin split
 * by frame; attention within frames or over all tokens needs them so, attention across frames needs them split by patch, and where
 * they are not, an all-to-all comes before. In the other modes the split stays, and attention that needs tokens of other ranks
 * <i>conflicts</i>: it exchanges heads, or gathers keys and values. With one rank nothing happens. Immutable.
 */
final class SplitWalk {
  /** What a rank has of a clip: whole frames, or patches with all their frames. */
  enum Split {
    FRAME,
    PATCH
  }

  /**
   * A self-attention in its place.
   *
   * @param conflicts whether it exchanges heads or gathers
   */
  record Attend(AttentionProfile attention, Split split, boolean conflicts) {}

  /**
   * A block in its place; blocks with equal forms cost the same.
   *
   * @param toPatch all-to-alls from frames to patches before its attentions
   * @param toFrame the other way
   * @param end the split after it
   */
  record Form(BlockProfile profile, List<Attend> attends, int toPatch, int toFrame, Split end) {
    int conflicts() {
      return (int) attends.stream().filter(Attend::conflicts).count();
    }
  }

  private final SequenceMode mode;
  private final boolean divided;
  private final List<Form> forms;
  private final int[] formOf;
  private final Split[] before;
  private final boolean switches;
  private final boolean conflicts;

  /** Blocks of each form before each block. */
  private final int[][] counts;

  SplitWalk(ModelProfile profile, SequenceMode mode, int ranks) {
    this.mode = mode;
    divided = ranks > 1;
    int blocks = profile.getBlocksCount();
    formOf = new int[blocks];
    before = new Split[blocks + 1];
    Map<Form, Integer> index = new LinkedHashMap<>();
    Split split = divided && mode.splitsByPatch() ? Split.PATCH : Split.FRAME;
    for (int block = 0; block < blocks; block++) {
      before[block] = split;
      Form form = form(profile.getBlocks(block), split);
      split = form.end;
      Integer known = index.putIfAbsent(form, index.size());
      formOf[block] = known == null ? index.size() - 1 : known;
    }
    before[blocks] = split;
    forms = List.copyOf(index.keySet());
    counts = new int[forms.size()][blocks + 1];
    for (int block = 0; block < blocks; block++) {
      for (int form = 0; form < counts.length; form++) {
        counts[form][block + 1] = counts[form][block] + (formOf[block] == form ? 1 : 0);
      }
    }
    Range all = new Range(0, blocks);
    switches = switchesEmbedding() || toPatch(all) + toFrame(all) > 0;
    conflicts = conflicts(all) > 0;
  }

  private Form form(BlockProfile block, Split start) {
    List<Attend> attends = new ArrayList<>();
    int toPatch = 0;
    int toFrame = 0;
    Split split = start;
    for (AttentionProfile attention : block.getAttentionsList()) {
      Split needed = needed(attention);
      boolean conflicts = divided && mode != SequenceMode.SWITCH && needed(attention, split);
      if (divided && mode == SequenceMode.SWITCH && needed != split) {
        toPatch += needed == Split.PATCH ? 1 : 0;
        toFrame += needed == Split.FRAME ? 1 : 0;
        split = needed;
      }
      attends.add(new Attend(attention, split, conflicts));
    }
    // The name tells blocks apart that cost the same; forms are kept few.
    return new Form(block, List.copyOf(attends), toPatch, toFrame, split);
  }

  private static Split needed(AttentionProfile attention) {
    return switch (attention.getAxis()) {
      case AXIS_TEMPORAL -> Split.PATCH;
      case AXIS_SPATIAL, AXIS_FULL, AXIS_UNSPECIFIED, UNRECOGNIZED -> Split.FRAME;
    };
  }

  /** Whether attention needs tokens that other ranks have. */
  private static boolean needed(AttentionProfile attention, Split split) {
    return switch (attention.getAxis()) {
      case AXIS_TEMPORAL -> split == Split.FRAME;
      case AXIS_FULL -> true;
      case AXIS_SPATIAL, AXIS_UNSPECIFIED, UNRECOGNIZED -> split == Split.PATCH;
    };
  }

  SequenceMode mode() {
    return mode;
  }

  int blocks() {
    return formOf.length;
  }

  List<Form> forms() {
    return forms;
  }

  int formOf(int block) {
    return formOf[block];
  }

  /** Blocks of a form in a range. */
  int count(int form, Range range) {
    return counts[form][range.end()] - counts[form][range.start()];
  }

  int toPatch(Range range) {
    int sum = 0;
    for (int form = 0; form < counts.length; form++) {
      sum += count(form, range) * forms.get(form).toPatch;
    }
    return sum;
  }

  int toFrame(Range range) {
    int sum = 0;
    for (int form = 0; form < counts.length; form++) {
      sum += count(form, range) * forms.get(form).toFrame;
    }
    return sum;
  }

  int conflicts(Range range) {
    int sum = 0;
    for (int form = 0; form < counts.length; form++) {
      sum += count(form, range) * forms.get(form).conflicts();
    }
    return sum;
  }

  /** The split before a block; of the number of blocks: at the end. */
  Split before(int block) {
    return before[block];
  }

  /** Whether the embedded patches change from the frames' split, where latents live. */
  boolean switchesEmbedding() {
    return before[0] == Split.PATCH;
  }

  /** Whether the final layer's prediction changes back to it. */
  boolean switchesPrediction() {
    return before[formOf.length] == Split.PATCH;
  }

  /** Whether the residual stream changes its split anywhere. */
  boolean switches() {
    return switches;
  }

  /** Whether any attention exchanges heads or gathers. */
  boolean conflicts() {
    return conflicts;
  }
}
