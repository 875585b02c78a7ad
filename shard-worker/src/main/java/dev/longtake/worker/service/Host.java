package dev.longtake.worker.service;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What a worker says of its host. */
final class Host {
  /** The same for all processes of a Linux system, containers with files of their own apart. */
  private static final Path MACHINE_ID = Path.of("/etc/machine-id");

  private Host() {}

  /**
   * Equal for workers of one host: its name, with the machine's id where there is one, since names may repeat.
   *
   * @param advertised what others call the worker by, for hosts that don't know their name
   */
  static String name(String advertised) {
    String name;
    try {
      name = InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      name = advertised;
    }
    try {
      return Files.isReadable(MACHINE_ID)
          ? (name + " " + Files.readString(MACHINE_ID)).strip()
          : name;
    } catch (IOException e) {
      return name;
    }
  }
}
