package dev.longtake.common.error;

import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;

/** Which of many names somebody may have meant. */
public final class NearNames {
  private static final int MAX_NAMES = 3;

  private NearNames() {}

  private record Candidate(String name, int distance) {}

  /** At most three, closest first; none that differs in more than half of its letters. */
  public static List<String> of(String wanted, Collection<String> names) {
    return names.stream()
        .map(name -> new Candidate(name, distance(wanted, name)))
        .filter(c -> c.distance <= Math.max(wanted.length(), c.name.length()) / 2)
        .sorted(Comparator.comparingInt(Candidate::distance).thenComparing(Candidate::name))
        .limit(MAX_NAMES)
        .map(Candidate::name)
        .toList();
  }

  /** Levenshtein: insertions, deletions and replacements that turn one into the other. */
  static int distance(String a, String b) {
    int[] above = new int[b.length() + 1];
    Arrays.setAll(above, j -> j);
    for (int i = 1; i <= a.length(); i++) {
      int[] row = new int[b.length() + 1];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int replaced = above[j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        row[j] = Math.min(replaced, Math.min(above[j], row[j - 1]) + 1);
      }
      above = row;
    }
    return above[b.length()];
  }
}
