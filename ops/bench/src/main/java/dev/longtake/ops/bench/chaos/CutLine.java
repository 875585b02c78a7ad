package dev.longtake.ops.bench.chaos;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** A port that passes every connection on to another one, until they are cut. Thread-safe. */
final class CutLine implements AutoCloseable {
  private final ServerSocket server;
  private final int target;
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();

  private CutLine(ServerSocket server, int target) {
    this.server = server;
    this.target = target;
  }

  /**
   * Listens on a free port of loopback.
   *
   * @param target port of loopback, where something listens now and then
   */
  static CutLine to(int target) {
    try {
      CutLine line = new CutLine(new ServerSocket(0, 50, InetAddress.getLoopbackAddress()), target);
      Thread.ofVirtual().name("cut-line").start(line::accept);
      return line;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  String address() {
    return "127.0.0.1:" + server.getLocalPort();
  }

  /** Closes every connection that is open. */
  void cut() {
    open.forEach(CutLine::close);
  }

  private void accept() {
    while (!server.isClosed()) {
      try {
        Socket from = server.accept();
        open.add(from);
        Thread.ofVirtual().start(() -> connect(from));
      } catch (IOException e) {
        // Closed: the loop ends.
      }
    }
  }

  private void connect(Socket from) {
    try {
      Socket to = new Socket(InetAddress.getLoopbackAddress(), target);
      open.add(to);
      Thread.ofVirtual().start(() -> pass(to, from));
      pass(from, to);
    } catch (IOException e) {
      // Nothing listens there at the moment.
      end(from);
    }
  }

  private void pass(Socket from, Socket to) {
    try {
      from.getInputStream().transferTo(to.getOutputStream());
    } catch (IOException e) {
      // Cut, or one side has ended.
    } finally {
      end(from);
      end(to);
    }
  }

  private void end(Socket socket) {
    close(socket);
    open.remove(socket);
  }

  private static void close(Socket socket) {
    try {
      socket.close();
    } catch (IOException e) {
      // As closed as it can be.
    }
  }

  @Override
  public void close() {
    try {
      server.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    cut();
  }
}
