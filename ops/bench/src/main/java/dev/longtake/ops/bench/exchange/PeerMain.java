package dev.longtake.ops.bench.exchange;

import com.sun.management.ThreadMXBean;
import dev.longtake.common.process.ParentWatch;
import dev.longtake.common.process.ReadyLine;
import dev.longtake.common.tls.TlsFiles;
import dev.longtake.common.tls.TlsIdentity;
import dev.longtake.worker.exchange.ExchangeSettings;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;

/**
 * One process of the benchmark. It obeys whoever connects to the address it prints: a command a line, numbers or {@code error ...}
 * as the answer. Arguments: bytes of memory for each direction, bytes of a chunk, files with certificate, key and authorities.
 */
public final class PeerMain {
  private final MemorySegment payload;
  private final MemorySegment target;
  private final int chunkBytes;
  private final RawEnd raw;
  private final StubEnd stub;
  private final Map<Transport, ExchangeEnd> ends = new EnumMap<>(Transport.class);
  private final Map<String, ExchangeEnd> endsByJob = new ConcurrentHashMap<>();
  private final ExecutorService senders = Executors.newCachedThreadPool();
  private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private PeerMain(long bytes, ExchangeSettings settings, TlsIdentity tls) throws IOException {
    Arena arena = Arena.global();
    payload = arena.allocate(bytes, 4096);
    target = arena.allocate(bytes, 4096);
    // Pages that were never written are all the same one.
    payload.fill((byte) 7);
    target.fill((byte) 1);
    chunkBytes = settings.chunkBytes();
    raw = new RawEnd(target.asByteBuffer());
    stub = new StubEnd(target.asByteBuffer());
    ExchangeSettings sockets = settings.withSharedMemory(false);
    ends.put(Transport.SOCKETS, new ExchangeEnd(sockets, /* tls= */ null));
    ends.put(
        Transport.SHARED_MEMORY, new ExchangeEnd(settings.withSharedMemory(true), /* tls= */ null));
    ends.put(Transport.TLS, new ExchangeEnd(sockets, tls));
  }

  /** Serves until its parent ends. */
  public static void main(String[] args) throws IOException {
    ParentWatch.exitWithParent();
    var settings = ExchangeSettings.defaults().withChunkBytes(Integer.parseInt(args[1]));
    var files = new TlsFiles(Path.of(args[2]), Path.of(args[3]), Path.of(args[4]));
    var peer = new PeerMain(Long.parseLong(args[0]), settings, TlsIdentity.read(files));
    try (var server = new ServerSocket(0, 16, InetAddress.getLoopbackAddress())) {
      ReadyLine.print("peer", "127.0.0.1:" + server.getLocalPort());
      while (true) {
        Socket socket = server.accept();
        Thread.ofPlatform().daemon().start(() -> peer.obey(socket));
      }
    }
  }

  private void obey(Socket socket) {
    try (socket;
        var in =
            new BufferedReader(
                new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
        var out = new PrintWriter(socket.getOutputStream(), true, StandardCharsets.UTF_8)) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        out.println(answer(List.of(line.split(" "))));
      }
    } catch (IOException e) {
      // The benchmark has ended.
    }
  }

  private String answer(List<String> command) {
    try {
      return Arrays.stream(carryOut(command.getFirst(), command.subList(1, command.size())))
          .mapToObj(Double::toString)
          .collect(Collectors.joining(" "));
    } catch (Exception e) {
      return "error " + String.valueOf(e).lines().findFirst().orElse("");
    }
  }

  private double[] carryOut(String what, List<String> with) throws Exception {
    return switch (what) {
      case "ports" -> new double[] {raw.port(), stub.port()};
      case "exchange-port" -> new double[] {exchange(with.get(0)).port()};
      case "open" -> {
        open(with.get(0), integer(with, 1), exchange(with.get(2)), with.subList(3, with.size()));
        yield new double[0];
      }
      case "raw-send" ->
          timed(() -> raw.send(with.get(0), part(with, 1), chunkBytes, integer(with, 2)));
      case "stub-send" ->
          timed(() -> stub.send(with.get(0), part(with, 1), chunkBytes, integer(with, 2)));
      case "send" ->
          timed(() ->
              end(with.get(0))
                  .send(
                      with.get(0),
                      integer(with, 1),
                      payload.asSlice(0, whole(with, 2)),
                      integer(with, 3)));
      case "receive" ->
          timed(() ->
              end(with.get(0))
                  .receive(
                      with.get(0),
                      integer(with, 1),
                      target.asSlice(0, whole(with, 2)),
                      integer(with, 3)));
      case "raw-ping" -> sorted(raw.pingPong(with.get(0), integer(with, 1), integer(with, 2)));
      case "ping" ->
          sorted(
              end(with.get(0))
                  .pingPong(
                      with.get(0),
                      integer(with, 1),
                      integer(with, 2),
                      integer(with, 3),
                      Boolean.parseBoolean(with.get(4))));
      case "raw-all" ->
          timed(() -> rawAllToAll(with.subList(2, with.size()), part(with, 0), integer(with, 1)));
      case "all" ->
          timed(() ->
              end(with.get(0))
                  .allToAll(with.get(0), payload, target, whole(with, 1), integer(with, 2)));
      default -> throw new IllegalArgumentException("Expected a command, but got " + what);
    };
  }

  private ExchangeEnd exchange(String transport) {
    return Objects.requireNonNull(ends.get(Transport.valueOf(transport)));
  }

  private void open(String job, int rank, ExchangeEnd end, List<String> addresses) {
    end.open(job, rank, addresses);
    endsByJob.put(job, end);
  }

  private ExchangeEnd end(String job) {
    return Objects.requireNonNull(endsByJob.get(job), () -> "Expected job " + job + " to be open");
  }

  private interface Work {
    void run() throws Exception;
  }

  /** Nanoseconds, and bytes allocated on the heap by all threads meanwhile. */
  private double[] timed(Work work) throws Exception {
    long allocated = threads.getTotalThreadAllocatedBytes();
    long start = System.nanoTime();
    work.run();
    long nanos = System.nanoTime() - start;
    return new double[] {nanos, threads.getTotalThreadAllocatedBytes() - allocated};
  }

  private static double[] sorted(long[] nanos) {
    return Arrays.stream(nanos).sorted().asDoubleStream().toArray();
  }

  /** To all others at once, a thread for each. */
  private void rawAllToAll(List<String> addresses, ByteBuffer part, int repeats) throws Exception {
    List<Future<?>> sending = new ArrayList<>();
    for (String address : addresses) {
      sending.add(
          senders.submit(() -> {
            raw.send(address, part, chunkBytes, repeats);
            return null;
          }));
    }
    for (Future<?> one : sending) {
      one.get();
    }
  }

  private ByteBuffer part(List<String> with, int index) {
    return payload.asSlice(0, whole(with, index)).asByteBuffer();
  }

  private static int integer(List<String> with, int index) {
    return Integer.parseInt(with.get(index));
  }

  private static long whole(List<String> with, int index) {
    return Long.parseLong(with.get(index));
  }
}
