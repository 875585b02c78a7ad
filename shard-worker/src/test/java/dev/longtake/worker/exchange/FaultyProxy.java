package dev.longtake.worker.exchange;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** A network between clients and a server: it forwards bytes until a {@link Fault} strikes. Thread-safe. */
final class FaultyProxy implements AutoCloseable {
  /** The direction that bytes go. */
  enum Way {
    TO_SERVER,
    TO_CLIENT
  }

  /** What happens once {@code afterBytes} have gone one way, over all connections. */
  sealed interface Fault {
    Way way();

    long afterBytes();

    /** Both ends see their connection reset; what was forwarded may be lost. */
    record Reset(Way way, long afterBytes) implements Fault {}

    /** Nothing more goes in either way, and neither end is told. */
    record Cut(Way way, long afterBytes) implements Fault {}

    /** Nothing more goes that way, as if the end there did not read. */
    record Hold(Way way, long afterBytes) implements Fault {}

    /** The next byte arrives with one bit, of 0 to 7, changed. */
    record Flip(Way way, long afterBytes, int bit) implements Fault {}

    /** The first frame of gRPC's data with at least that many bytes gets another stream's number: these bits of it change. */
    record Misdirect(int minFrameBytes, int bits) implements Fault {
      @Override
      public Way way() {
        return Way.TO_SERVER;
      }

      /** Where the frame is decides. */
      @Override
      public long afterBytes() {
        return 0;
      }
    }

    /** Never strikes. */
    static Fault none() {
      return new Hold(Way.TO_SERVER, Long.MAX_VALUE);
    }
  }

  private final ServerSocket listener;
  private final int serverPort;
  private final Fault fault;
  private final ExecutorService threads = Executors.newCachedThreadPool();

  // Guarded by this.
  private final Set<Socket> sockets = new HashSet<>();
  private final Map<Way, Long> forwarded = new EnumMap<>(Way.class);
  private final Set<Way> held = EnumSet.noneOf(Way.class);
  private boolean hasStruck;
  private boolean closed;

  /**
   * Listens at once.
   *
   * @param server address on loopback
   */
  FaultyProxy(String server, Fault fault) {
    this.fault = fault;
    this.serverPort = Integer.parseInt(server.substring(server.lastIndexOf(':') + 1));
    try {
      listener = new ServerSocket(0, 0, InetAddress.getLoopbackAddress());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    threads.execute(this::acceptAll);
  }

  /** What clients connect to. */
  String address() {
    return "127.0.0.1:" + listener.getLocalPort();
  }

  synchronized boolean hasStruck() {
    return hasStruck;
  }

  /** Bytes that have gone one way. */
  synchronized long forwarded(Way way) {
    return forwarded.getOrDefault(way, 0L);
  }

  /** As {@link Fault.Cut}, now. */
  synchronized void cut() {
    held.addAll(EnumSet.allOf(Way.class));
  }

  /** What is held goes on. */
  synchronized void release() {
    held.clear();
    notifyAll();
  }

  private void acceptAll() {
    try {
      while (true) {
        Socket client = opened(listener.accept());
        Socket server = opened(new Socket(InetAddress.getLoopbackAddress(), serverPort));
        threads.execute(() -> forwardAll(client, server, Way.TO_SERVER));
        threads.execute(() -> forwardAll(server, client, Way.TO_CLIENT));
      }
    } catch (IOException e) {
      // The proxy is closed.
    }
  }

  private synchronized Socket opened(Socket socket) throws IOException {
    socket.setTcpNoDelay(true);
    sockets.add(socket);
    if (closed) {
      reset(socket);
    }
    return socket;
  }

  private void forwardAll(Socket from, Socket to, Way way) {
    byte[] bytes = new byte[16 << 10];
    var frames = new FrameFinder();
    try {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      for (int count = in.read(bytes); count >= 0; count = in.read(bytes)) {
        int before = bytesBeforeFault(bytes, count, way, frames);
        forward(bytes, 0, before, out, way);
        if (before < count) {
          strike(bytes, before, from, to);
          forward(bytes, before, count - before, out, way);
        }
      }
      to.shutdownOutput();
    } catch (IOException e) {
      // One end is gone: the other hears of it.
      reset(from);
      reset(to);
    }
  }

  /** How many of the next bytes go before the fault. */
  private synchronized int bytesBeforeFault(byte[] bytes, int count, Way way, FrameFinder frames) {
    if (hasStruck || way != fault.way()) {
      return count;
    }
    return fault instanceof Fault.Misdirect(int minBytes, int _)
        ? frames.streamNumber(bytes, count, minBytes)
        : (int) Math.min(fault.afterBytes() - forwarded(way), count);
  }

  private void forward(byte[] bytes, int offset, int count, OutputStream out, Way way)
      throws IOException {
    synchronized (this) {
      while (held.contains(way) && !closed) {
        try {
          wait();
        } catch (InterruptedException e) {
          throw new IOException("The proxy is closed", e);
        }
      }
      forwarded.merge(way, (long) count, Long::sum);
    }
    out.write(bytes, offset, count);
  }

  private synchronized void strike(byte[] bytes, int offset, Socket from, Socket to) {
    hasStruck = true;
    switch (fault) {
      case Fault.Reset _ -> {
        reset(from);
        reset(to);
      }
      case Fault.Cut _ -> cut();
      case Fault.Hold(Way way, long _) -> held.add(way);
      case Fault.Flip(Way _, long _, int bit) -> bytes[offset] ^= (byte) (1 << bit);
      case Fault.Misdirect(int _, int bits) -> bytes[offset] ^= (byte) bits;
    }
  }

  private static void reset(Socket socket) {
    try {
      // Closed without lingering, a connection is reset.
      socket.setSoLinger(true, 0);
      socket.close();
    } catch (IOException e) {
      // It was closed.
    }
  }

  /** Resets every connection. */
  @Override
  public void close() {
    try {
      listener.close();
      synchronized (this) {
        closed = true;
        notifyAll();
        sockets.forEach(FaultyProxy::reset);
      }
      threads.shutdownNow();
      if (!threads.awaitTermination(20, TimeUnit.SECONDS)) {
        throw new AssertionError("Expected the proxy's threads to end within 20 s");
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    }
  }
}
