package dev.longtake.common.x86;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * What an x86-64 processor has beyond its first instructions, as Linux lists it: only what the kernel lets programs use. oneDNN could
 * tell as well, but it takes 30 MB to be asked.
 */
public final class InstructionSets {
  private static final Path PROCESSORS = Path.of("/proc/cpuinfo");
  private static final String KEY = "flags";
  private static final Set<String> PRESENT = read();

  private InstructionSets() {}

  /** None on other systems and processors. */
  private static Set<String> read() {
    try (Stream<String> lines = Files.lines(PROCESSORS)) {
      return lines
          .filter(line -> line.startsWith(KEY))
          .findFirst()
          .map(InstructionSets::names)
          .orElse(Set.of());
    } catch (IOException | UncheckedIOException e) {
      return Set.of();
    }
  }

  private static Set<String> names(String line) {
    return Set.copyOf(List.of(line.substring(line.indexOf(':') + 1).strip().split("\\s+")));
  }

  /** With fused multiply-adds. */
  public static boolean hasAvx2() {
    return PRESENT.containsAll(List.of("avx2", "fma"));
  }

  /** CRC32C, and products without carries, each with AVX2's vectors. */
  public static boolean hasChecksums() {
    return PRESENT.containsAll(List.of("avx2", "sse4_2", "pclmulqdq"));
  }

  /** With the extensions that all of Intel's servers have had since Skylake, which oneDNN's kernels need. */
  public static boolean hasAvx512() {
    return PRESENT.containsAll(List.of("avx512f", "avx512bw", "avx512vl", "avx512dq"));
  }
}
