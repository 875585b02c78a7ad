package dev.longtake.ops.launcher;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;

/**
 * A second loopback address of this host, through which others reach a server that listens on the same port of the first one. What they send
 * can be slowed. Thread-safe.
 */
final class SlowLine implements AutoCloseable {
  static final String HOST = "127.0.0.2";

  private static final int PIECE_BYTES = 2048;

  private final ServerSocket server;
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();
  private volatile long bytesPerSecond = Long.MAX_VALUE;

  private SlowLine(ServerSocket server) {
    this.server = server;
  }

  /** Listens on a free port; nothing listens on the same port of the first address yet. */
  static SlowLine open() {
    try {
      SlowLine line = new SlowLine(new ServerSocket(0, 50, InetAddress.getByName(HOST)));
      Thread.ofVirtual().name("slow-line").start(line::accept);
      return line;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  String port() {
    return Integer.toString(server.getLocalPort());
  }

  /** From now on. */
  void limit(long rate) {
    bytesPerSecond = rate;
  }

  /** As fast as it gets. */
  void unlimit() {
    bytesPerSecond = Long.MAX_VALUE;
  }

  private void accept() {
    while (!server.isClosed()) {
      try {
        Socket from = server.accept();
        open.add(from);
        Thread.ofPlatform().daemon().start(() -> connect(from));
      } catch (IOException e) {
        // Closed: the loop ends.
      }
    }
  }

  private void connect(Socket from) {
    try {
      Socket to = new Socket(InetAddress.getLoopbackAddress(), server.getLocalPort());
      to.setTcpNoDelay(true);
      from.setTcpNoDelay(true);
      open.add(to);
      Thread.ofPlatform().daemon().start(() -> pass(to, from, /* slowly= */ false));
      pass(from, to, /* slowly= */ true);
    } catch (IOException e) {
      // Nothing listens there at the moment.
      end(from);
    }
  }

  private void pass(Socket from, Socket to, boolean slowly) {
    try (InputStream in = from.getInputStream();
        OutputStream out = to.getOutputStream()) {
      byte[] piece = new byte[64 << 10];
      boolean isOpen = true;
      while (isOpen) {
        long rate = bytesPerSecond;
        boolean limited = slowly && rate < Long.MAX_VALUE;
        int count = in.read(piece, 0, limited ? PIECE_BYTES : piece.length);
        isOpen = count >= 0;
        if (isOpen) {
          out.write(piece, 0, count);
          if (limited) {
            LockSupport.parkNanos(count * 1_000_000_000L / rate);
          }
        }
      }
    } catch (IOException e) {
      // One side has ended.
    } finally {
      end(from);
      end(to);
    }
  }

  private void end(Socket socket) {
    try {
      socket.close();
    } catch (IOException e) {
      // As closed as it can be.
    }
    open.remove(socket);
  }

  @Override
  public void close() {
    try {
      server.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    open.forEach(this::end);
  }
}
