package dev.longtake.ops.bench.exchange;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Plain blocking sockets and nothing else: what the machine can do. A connection gets a head of mode, bytes of a message and number
 * of messages; in the first mode they are read and one byte answers them all, in the second each is sent back.
 *
 * <p>A blocking channel has no timeout. Whoever commands the process waits for its answer with a deadline, and ends it.
 */
final class RawEnd {
  private static final int SINK = 0;
  private static final int ECHO = 1;
  private static final int HEAD_BYTES = 3 * Integer.BYTES;

  private final ServerSocketChannel server;
  private final ByteBuffer incoming;
  private final Map<String, SocketChannel> connections = new ConcurrentHashMap<>();

  /**
   * Listens.
   *
   * @param incoming where messages of the first mode go, one behind the other, from the start again when it is full
   */
  RawEnd(ByteBuffer incoming) throws IOException {
    this.incoming = incoming;
    server = ServerSocketChannel.open();
    server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    Thread.ofPlatform().daemon().name("raw-accept").start(this::accept);
  }

  int port() throws IOException {
    return ((InetSocketAddress) server.getLocalAddress()).getPort();
  }

  private void accept() {
    try {
      while (true) {
        SocketChannel accepted = server.accept();
        accepted.setOption(StandardSocketOptions.TCP_NODELAY, true);
        Thread.ofPlatform().daemon().name("raw-serve").start(() -> serve(accepted));
      }
    } catch (IOException e) {
      // Closed.
    }
  }

  private void serve(SocketChannel peer) {
    ByteBuffer head = ByteBuffer.allocateDirect(HEAD_BYTES);
    ByteBuffer own = incoming.duplicate();
    try (peer) {
      while (true) {
        read(peer, head.clear());
        int mode = head.getInt(0);
        int size = head.getInt(Integer.BYTES);
        int count = head.getInt(2 * Integer.BYTES);
        for (int i = 0; i < count; i++) {
          int slots = own.capacity() / size;
          ByteBuffer message = own.clear().slice(i % slots * size, size);
          read(peer, message);
          if (mode == ECHO) {
            write(peer, message.flip());
          }
        }
        if (mode == SINK) {
          write(peer, head.clear().limit(1));
        }
      }
    } catch (IOException e) {
      // The other side has finished.
    }
  }

  /** Sends all of a buffer, {@code repeats} times, in messages of a size; returns when the peer has read it. */
  void send(String address, ByteBuffer payload, int messageBytes, int repeats) throws IOException {
    SocketChannel peer = connection(address);
    int messages = payload.capacity() / messageBytes;
    ByteBuffer head = head(SINK, messageBytes, messages * repeats);
    write(peer, head);
    ByteBuffer own = payload.duplicate();
    for (int i = 0; i < messages * repeats; i++) {
      write(peer, own.clear().slice(i % messages * messageBytes, messageBytes));
    }
    read(peer, head.clear().limit(1));
  }

  /** Nanoseconds of each of so many messages there and back. */
  long[] pingPong(String address, int messageBytes, int count) throws IOException {
    SocketChannel peer = connection(address);
    write(peer, head(ECHO, messageBytes, count));
    ByteBuffer message = ByteBuffer.allocateDirect(messageBytes);
    long[] nanos = new long[count];
    for (int i = 0; i < count; i++) {
      long start = System.nanoTime();
      write(peer, message.clear());
      read(peer, message.clear());
      nanos[i] = System.nanoTime() - start;
    }
    return nanos;
  }

  private static ByteBuffer head(int mode, int messageBytes, int count) {
    return ByteBuffer.allocateDirect(HEAD_BYTES)
        .putInt(mode)
        .putInt(messageBytes)
        .putInt(count)
        .flip();
  }

  private SocketChannel connection(String address) throws IOException {
    SocketChannel known = connections.get(address);
    if (known != null) {
      return known;
    }
    int colon = address.lastIndexOf(':');
    SocketChannel opened =
        SocketChannel.open(
            new InetSocketAddress(
                address.substring(0, colon), Integer.parseInt(address.substring(colon + 1))));
    opened.setOption(StandardSocketOptions.TCP_NODELAY, true);
    connections.put(address, opened);
    return opened;
  }

  private static void read(SocketChannel from, ByteBuffer target) throws IOException {
    while (target.hasRemaining()) {
      if (from.read(target) < 0) {
        throw new EOFException("The peer has closed the connection");
      }
    }
  }

  private static void write(SocketChannel to, ByteBuffer source) throws IOException {
    while (source.hasRemaining()) {
      to.write(source);
    }
  }
}
