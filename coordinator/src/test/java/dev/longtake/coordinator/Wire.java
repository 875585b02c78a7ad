package dev.longtake.coordinator;

import java.io.IOException;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.nio.charset.StandardCharsets;

/** A connection on which a test says just what it wants, right or wrong. */
final class Wire implements AutoCloseable {
  private static final int WAIT_MILLIS = 60_000;

  private final Socket socket;

  Wire(String url) throws IOException {
    URI root = URI.create(url);
    socket = new Socket(root.getHost(), root.getPort());
    socket.setTcpNoDelay(true);
    socket.setSoTimeout(WAIT_MILLIS);
  }

  Wire send(String text) throws IOException {
    return send(text.getBytes(StandardCharsets.ISO_8859_1));
  }

  Wire send(byte[] bytes) throws IOException {
    socket.getOutputStream().write(bytes);
    return this;
  }

  /** Says that nothing follows, and goes on listening. */
  Wire endSending() throws IOException {
    socket.shutdownOutput();
    return this;
  }

  /** All that comes until the server closes the connection. */
  String readToEnd() throws IOException {
    return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
  }

  /** Reads until {@code wanted} came. */
  String readUntil(String wanted) throws IOException {
    StringBuilder read = new StringBuilder();
    while (read.indexOf(wanted) < 0) {
      int next = socket.getInputStream().read();
      if (next < 0) {
        throw new AssertionError("Expected %s, but only %s came".formatted(wanted, read));
      }
      read.append((char) next);
    }
    return read.toString();
  }

  /**
   * Sends one byte again and again, waiting between two of them for an answer, until one has come and the server has closed the
   * connection.
   *
   * @param pauseMillis for an answer
   */
  String dripUntilClosed(char dropped, int pauseMillis) throws IOException {
    long deadline = System.nanoTime() + WAIT_MILLIS * 1_000_000L;
    socket.setSoTimeout(pauseMillis);
    StringBuilder read = new StringBuilder();
    while (System.nanoTime() < deadline) {
      try {
        int next = socket.getInputStream().read();
        if (next < 0) {
          return read.toString();
        }
        read.append((char) next);
      } catch (SocketTimeoutException e) {
        socket.getOutputStream().write(dropped);
      } catch (SocketException e) {
        return read.toString();
      }
    }
    throw new AssertionError("The server still listens");
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
