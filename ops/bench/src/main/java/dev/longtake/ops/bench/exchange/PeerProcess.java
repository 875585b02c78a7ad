package dev.longtake.ops.bench.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.common.tls.TlsFiles;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** A {@link PeerMain} and the connection that commands it. For one thread at a time. */
public final class PeerProcess implements AutoCloseable {
  private static final Duration READY = Duration.ofSeconds(60);
  private static final int ANSWER_MILLIS = 120_000;

  private final JavaProcess process;
  private final Socket socket;
  private final BufferedReader in;
  private final PrintWriter out;
  private final double[] ports;
  private final Map<Transport, Integer> exchangePorts = new EnumMap<>(Transport.class);

  private PeerProcess(JavaProcess process, Socket socket) throws IOException {
    this.process = process;
    this.socket = socket;
    socket.setSoTimeout(ANSWER_MILLIS);
    in = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
    out = new PrintWriter(socket.getOutputStream(), true, StandardCharsets.UTF_8);
    ports = call("ports");
    for (Transport transport : Transport.values()) {
      exchangePorts.put(transport, (int) call("exchange-port " + transport)[0]);
    }
  }

  /**
   * Starts a process.
   *
   * @param logs a folder
   * @param memoryBytes for each direction
   * @param chunkBytes of a message
   * @param tls for the exchange that uses it
   */
  static PeerProcess start(String name, Path logs, long memoryBytes, int chunkBytes, TlsFiles tls) {
    JavaProcess process =
        JavaProcess.start(
            name,
            PeerMain.class.getName(),
            List.of(
                Long.toString(memoryBytes),
                Integer.toString(chunkBytes),
                tls.certificates().toString(),
                tls.key().toString(),
                tls.authorities().toString()),
            List.of("-XX:+UseSerialGC", "-Xmx256m"),
            logs.resolve(name + ".log"),
            READY);
    boolean isConnected = false;
    try {
      String address = process.address();
      int colon = address.lastIndexOf(':');
      var socket =
          new Socket(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)));
      var peer = new PeerProcess(process, socket);
      isConnected = true;
      return peer;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } finally {
      if (!isConnected) {
        // The other end of the socket goes with it.
        process.close();
      }
    }
  }

  /** To send it a signal. */
  ProcessHandle handle() {
    return process.handle();
  }

  public String rawAddress() {
    return "127.0.0.1:" + (int) ports[0];
  }

  public String stubAddress() {
    return "127.0.0.1:" + (int) ports[1];
  }

  /** Of the exchange with that transport. */
  String exchangeAddress(Transport transport) {
    return "127.0.0.1:" + exchangePorts.get(transport);
  }

  /**
   * Carries out a command.
   *
   * @throws LongtakeException INTERNAL with what the process answered when it failed
   */
  public double[] call(String command) {
    out.println(command);
    try {
      String answer = in.readLine();
      if (answer == null || answer.startsWith("error")) {
        throw new LongtakeException(
            ErrorCode.INTERNAL, "%s failed at '%s': %s".formatted(process.name(), command, answer));
      }
      return answer.isEmpty()
          ? new double[0]
          : Arrays.stream(answer.split(" ")).mapToDouble(Double::parseDouble).toArray();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    try {
      socket.close();
    } catch (IOException e) {
      // The process ends anyway.
    }
    process.close();
  }
}
