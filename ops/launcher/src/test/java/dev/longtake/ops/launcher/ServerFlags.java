package dev.longtake.ops.launcher;

import dev.longtake.common.process.ServerJvm;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** What the JVMs of servers are started with in tests. */
final class ServerFlags {
  /** Without this module's classes: all jars when Maven has packed the other modules, so that classes can be archived. */
  private static final String CLASS_PATH =
      System.getProperty("longtake.runtime.class-path", System.getProperty("java.class.path"));

  private ServerFlags() {}

  /**
   * Of a coordinator.
   *
   * @param folder for its temporary files
   */
  static List<String> coordinator(Path folder) {
    return flags(ServerJvm.COORDINATOR, folder);
  }

  /**
   * Of a worker.
   *
   * @param folder for its temporary files
   */
  static List<String> worker(Path folder) {
    return flags(ServerJvm.WORKER, folder);
  }

  private static List<String> flags(List<String> own, Path folder) {
    return Stream.concat(own.stream(), Stream.of("-Djava.io.tmpdir=" + folder, "-cp", CLASS_PATH))
        .toList();
  }
}
