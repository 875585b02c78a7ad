package dev.longtake.ops.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Memory of a process and all its descendants, from Linux's {@code /proc}. Resident (RSS) counts a page that several
 * processes share once for each; proportional (PSS) divides it among them, so that its sum is what the machine spends.
 *
 * @param rssBytes sum of the resident sets
 * @param pssBytes sum of the proportional sets
 */
record TreeMemory(long rssBytes, long pssBytes) {
  static final TreeMemory ZERO = new TreeMemory(0, 0);

  static boolean isMeasurable() {
    return Files.isReadable(Path.of("/proc/self/smaps_rollup"));
  }

  /** As it is now; a process that ends meanwhile counts nothing. */
  static TreeMemory of(ProcessHandle root) {
    long rss = 0;
    long pss = 0;
    for (ProcessHandle process : Stream.concat(Stream.of(root), root.descendants()).toList()) {
      List<String> lines = smaps(process.pid());
      rss += kibibytes(lines, "Rss:") << 10;
      pss += kibibytes(lines, "Pss:") << 10;
    }
    return new TreeMemory(rss, pss);
  }

  /** The larger of each. */
  TreeMemory peak(TreeMemory other) {
    return new TreeMemory(Math.max(rssBytes, other.rssBytes), Math.max(pssBytes, other.pssBytes));
  }

  private static List<String> smaps(long pid) {
    try {
      return Files.readAllLines(Path.of("/proc", Long.toString(pid), "smaps_rollup"));
    } catch (IOException e) {
      return List.of();
    }
  }

  private static long kibibytes(List<String> lines, String key) {
    return lines.stream()
        .filter(line -> line.startsWith(key))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D+", "")))
        .findFirst()
        .orElse(0);
  }
}
