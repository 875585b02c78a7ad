package dev.longtake.worker.exchange.shared;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Tells whether two processes run under one kernel. */
final class HostId {
  private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");

  private static final String OWN = read();

  private HostId() {}

  /** The same for all processes until the host boots again; empty where the system has none. */
  static String own() {
    return OWN;
  }

  private static String read() {
    try {
      return Files.readString(BOOT_ID).strip();
    } catch (IOException e) {
      return "";
    }
  }
}
