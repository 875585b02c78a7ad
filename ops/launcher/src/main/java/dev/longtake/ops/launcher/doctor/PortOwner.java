package dev.longtake.ops.launcher.doctor;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A process that listens on a port, as far as {@code /proc} shows it to this user.
 *
 * @param command its command line, the start of a long one
 */
record PortOwner(long process, String command) {
  private static final int MAX_CHARS = 160;

  /** In {@code /proc/net/tcp}: local address, state and inode. */
  private static final int ADDRESS = 1;

  private static final int STATE = 3;
  private static final int INODE = 9;
  private static final String LISTENS = "0A";

  static Optional<PortOwner> find(int port) {
    String suffix = ":%04X".formatted(port);
    Set<String> sockets =
        Stream.of("/proc/net/tcp", "/proc/net/tcp6")
            .flatMap(PortOwner::lines)
            .map(line -> line.strip().split("\\s+"))
            .filter(fields ->
                fields.length > INODE
                    && fields[ADDRESS].endsWith(suffix)
                    && fields[STATE].equals(LISTENS))
            .map(fields -> "socket:[%s]".formatted(fields[INODE]))
            .collect(Collectors.toSet());
    if (sockets.isEmpty()) {
      return Optional.empty();
    }
    return ProcessHandle.allProcesses()
        .filter(process -> has(process.pid(), sockets))
        .findFirst()
        .map(process -> new PortOwner(process.pid(), command(process.pid())));
  }

  private static boolean has(long process, Set<String> sockets) {
    try (Stream<Path> open = Files.list(Path.of("/proc/%d/fd".formatted(process)))) {
      return open.anyMatch(file -> sockets.contains(target(file)));
    } catch (IOException e) {
      // Another user's, or over.
      return false;
    }
  }

  private static String target(Path link) {
    try {
      return Files.readSymbolicLink(link).toString();
    } catch (IOException e) {
      return "";
    }
  }

  private static String command(long process) {
    try {
      String line =
          Files.readString(
                  Path.of("/proc/%d/cmdline".formatted(process)), StandardCharsets.ISO_8859_1)
              .replace('\0', ' ')
              .strip();
      return line.length() <= MAX_CHARS ? line : line.substring(0, MAX_CHARS) + "…";
    } catch (IOException e) {
      return "";
    }
  }

  private static Stream<String> lines(String file) {
    try {
      List<String> lines = Files.readAllLines(Path.of(file));
      return lines.stream();
    } catch (IOException e) {
      return Stream.empty();
    }
  }

  @Override
  public String toString() {
    return "process %d (%s)".formatted(process, command);
  }
}
