package dev.longtake.worker.engine.exec;

import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.program.Value;
import java.util.ArrayList;
import java.util.List;

/** The prepared texts of a lane's branches, held while the lane is. Owns the leases. For one thread. */
final class LaneTexts implements AutoCloseable {
  private final Condition condition;
  private final PreparedTexts texts;
  private final TextPreparation preparation;
  private final List<PreparedTexts.Lease> leases = new ArrayList<>();

  LaneTexts(Condition condition, PreparedTexts texts, TextPreparation preparation) {
    this.condition = condition;
    this.texts = texts;
    this.preparation = preparation;
  }

  /** Gets or makes them. Call once. */
  void prepare() {
    if (preparation.program().text().isEmpty()) {
      return;
    }
    for (Branch branch : condition.branches()) {
      leases.add(texts.lease(branch.text(), preparation));
    }
  }

  /** What the program made of a branch's text, one row per token. */
  Matrix get(int branch, Value value) {
    // Of a null text there may be more than this branch reads.
    return leases
        .get(branch)
        .text()
        .get(value)
        .rows(0, condition.branches().get(branch).text().tokens());
  }

  /** Offers what a projection made of all texts. */
  void offerTo(Tap tap) {
    if (!tap.wants("y_packed")) {
      return;
    }
    int first = 0;
    for (int branch = 0; branch < leases.size(); branch++) {
      Matrix text = get(branch, Value.TEXT);
      tap.takeWholeText("y_packed", text, first);
      first += text.rows();
    }
  }

  @Override
  public void close() {
    leases.forEach(PreparedTexts.Lease::close);
    leases.clear();
  }
}
