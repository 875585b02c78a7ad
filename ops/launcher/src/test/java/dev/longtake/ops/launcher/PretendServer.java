package dev.longtake.ops.launcher;

import dev.longtake.common.process.ParentWatch;
import dev.longtake.common.process.ReadyLine;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;

/**
 * A process that gets ready like a coordinator or a worker and then does nothing; whoever connects to its port ends it
 * with status 3. With a model named {@code broken} it refuses to start.
 */
final class PretendServer {
  private PretendServer() {}

  public static void main(String[] args) throws IOException {
    List<String> arguments = List.of(args);
    int model = arguments.indexOf("--model");
    if (model >= 0 && arguments.get(model + 1).endsWith("broken")) {
      System.err.println("Expected a model, but it is broken");
      System.exit(2);
    }
    ParentWatch.exitWithParent();
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      System.err.println("temporary files in " + System.getProperty("java.io.tmpdir"));
      System.err.println("arguments: " + String.join(" ", args));
      ReadyLine.print(model >= 0 ? "worker" : "coordinator", "127.0.0.1:" + socket.getLocalPort());
      try (Socket _ = socket.accept()) {
        System.err.println("told to die");
      }
    }
    System.exit(3);
  }
}
