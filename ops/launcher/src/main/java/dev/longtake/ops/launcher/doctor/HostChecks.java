package dev.longtake.ops.launcher.doctor;

import com.sun.management.OperatingSystemMXBean;
import com.sun.management.UnixOperatingSystemMXBean;
import dev.longtake.client.cli.Texts;
import dev.longtake.common.options.ByteSize;
import dev.longtake.worker.exchange.shared.SharedSlots;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.module.ModuleFinder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** The machine and the Java on it, whatever its role. */
final class HostChecks {
  private static final int LEAST_JAVA = 25;
  private static final String VECTOR_MODULE = "jdk.incubator.vector";
  private static final long LEAST_FREE_BYTES = 2L << 30;
  private static final long LEAST_FILES = 4096;
  private static final Path CPU_INFO = Path.of("/proc/cpuinfo");
  private static final Path MEMORY_INFO = Path.of("/proc/meminfo");
  private static final Path MOUNTS = Path.of("/proc/self/mounts");

  private HostChecks() {}

  /** What both roles need. */
  static List<Finding> common() {
    return List.of(java(), processors(), memory(), openFiles(), temporaryFolder());
  }

  /** What workers need besides. */
  static List<Finding> ofWorker(RoleOptions options) {
    List<Finding> findings = new ArrayList<>();
    findings.add(vectors());
    findings.add(threads(options.require("--threads", Integer.class)));
    ByteSize limit = options.get("--memory-limit", ByteSize.class);
    if (limit != null) {
      findings.add(memoryLimit(limit.bytes()));
    }
    boolean isOff = options.require("--no-shared-memory", Boolean.class);
    findings.add(isOff ? Finding.skipped("shared memory", "turned off") : sharedMemory());
    return findings;
  }

  private static Finding java() {
    String found =
        "%s, %s, at %s"
            .formatted(
                Runtime.version(),
                System.getProperty("java.vendor"),
                System.getProperty("java.home"));
    if (Runtime.version().feature() < LEAST_JAVA) {
      return Finding.failed("java", found, "install a JDK %d or newer".formatted(LEAST_JAVA));
    }
    return HostChecks.class.getModule().isNativeAccessEnabled()
        ? Finding.ok("java", found)
        : Finding.warning(
            "java",
            found + ", which may not call native code without a warning",
            "start it with --enable-native-access=ALL-UNNAMED, as the 'longtake' script does");
  }

  private static Finding vectors() {
    return ModuleFinder.ofSystem().find(VECTOR_MODULE).isPresent()
        ? Finding.ok("java module", VECTOR_MODULE)
        : Finding.failed(
            "java module",
            "this Java has no " + VECTOR_MODULE,
            "install a whole JDK, or add the module to the image that jlink makes");
  }

  private static Finding processors() {
    int count = Runtime.getRuntime().availableProcessors();
    Set<String> flags = Set.copyOf(processorFlags());
    String found = count + (count == 1 ? " processor" : " processors");
    if (flags.isEmpty() || System.getProperty("os.arch").equals("aarch64")) {
      return Finding.ok("processors", found);
    }
    List<String> known =
        Stream.of("avx2", "avx512f", "avx512_bf16", "amx_bf16").filter(flags::contains).toList();
    return known.contains("avx2")
        ? Finding.ok("processors", "%s with %s".formatted(found, String.join(", ", known)))
        : Finding.warning(
            "processors",
            found + " without AVX2",
            "a worker on this processor will be slow; choose a host with AVX2 or a GPU");
  }

  private static List<String> processorFlags() {
    return lines(CPU_INFO)
        .filter(line -> line.startsWith("flags"))
        .findFirst()
        .map(line -> Arrays.asList(line.substring(line.indexOf(':') + 1).strip().split(" ")))
        .orElse(List.of());
  }

  private static Finding threads(int threads) {
    int count = Runtime.getRuntime().availableProcessors();
    String found = "%d for %d processors".formatted(threads, count);
    return threads <= count
        ? Finding.ok("threads", found)
        : Finding.warning("threads", found, "give --threads of %d at most".formatted(count));
  }

  /** Of the container, where there is one. */
  private static long memoryBytes() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getTotalMemorySize();
  }

  private static Finding memory() {
    long total = memoryBytes();
    long free = Math.min(total, availableBytes().orElse(total));
    String found = "%s, of which %s are free".formatted(Texts.bytes(total), Texts.bytes(free));
    return free >= LEAST_FREE_BYTES
        ? Finding.ok("memory", found)
        : Finding.warning(
            "memory",
            found,
            "end other programs; 'longtake inspect MODEL' says what a worker needs");
  }

  /** Pages that hold files count as free, unlike in what Java says. */
  private static Optional<Long> availableBytes() {
    return lines(MEMORY_INFO)
        .filter(line -> line.startsWith("MemAvailable:"))
        .findFirst()
        .map(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10);
  }

  private static Finding memoryLimit(long limit) {
    long total = memoryBytes();
    String found = "%s of %s".formatted(Texts.bytes(limit), Texts.bytes(total));
    return limit <= total
        ? Finding.ok("memory limit", found)
        : Finding.failed(
            "memory limit", found, "give a --memory-limit below what the host has, or none");
  }

  private static Finding openFiles() {
    if (!(ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean unix)) {
      return Finding.skipped("open files", "this system does not say");
    }
    // Java raises the soft limit to the hard one.
    long limit = unix.getMaxFileDescriptorCount();
    return limit >= LEAST_FILES
        ? Finding.ok("open files", "up to " + limit)
        : Finding.warning(
            "open files",
            "up to " + limit,
            "raise the hard limit to %d ('ulimit -Hn', LimitNOFILE= of systemd)"
                .formatted(LEAST_FILES));
  }

  /** Libraries unpack their native code there and load it. */
  private static Finding temporaryFolder() {
    Path folder = Path.of(System.getProperty("java.io.tmpdir"));
    String advice = "name another folder with LONGTAKE_JAVA_OPTS=-Djava.io.tmpdir=DIR";
    try {
      Path file = Files.createTempFile(folder, "longtake-doctor", "");
      Files.delete(file);
    } catch (IOException e) {
      return Finding.failed("temporary files", "%s can't be written".formatted(folder), advice);
    }
    return mountOptions(folder).contains("noexec")
        ? Finding.failed(
            "temporary files",
            "%s is mounted noexec, so native libraries can't be loaded from it".formatted(folder),
            advice)
        : Finding.ok("temporary files", folder.toString());
  }

  /** Of the file system that a folder is on, as the kernel lists it: device, folder, kind, options. */
  private static List<String> mountOptions(Path folder) {
    Path real = folder.toAbsolutePath().normalize();
    return lines(MOUNTS)
        .map(line -> line.split(" "))
        .filter(fields -> fields.length > 3 && real.startsWith(Path.of(fields[1])))
        // Of two on one folder the later one counts.
        .reduce((first, second) ->
            Comparator.<String[]>comparingInt(fields -> fields[1].length()).compare(first, second)
                    > 0
                ? first
                : second)
        .map(fields -> Arrays.asList(fields[3].split(",")))
        .orElse(List.of());
  }

  private static Finding sharedMemory() {
    try (SharedSlots slots = SharedSlots.create(1, 4096)) {
      return slots != null
          ? Finding.ok("shared memory", "memfd_create works; /dev/shm is not used")
          : Finding.warning(
              "shared memory",
              "memfd_create does not work here",
              "nothing fails, but workers of this host exchange through sockets; in a container"
                  + " allow the system call");
    }
  }

  /** Nothing where the system has no such file. */
  private static Stream<String> lines(Path file) {
    try {
      return Files.readAllLines(file).stream();
    } catch (IOException e) {
      return Stream.empty();
    }
  }
}
