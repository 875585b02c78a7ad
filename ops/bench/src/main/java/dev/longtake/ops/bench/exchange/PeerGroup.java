package dev.longtake.ops.bench.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tls.PrivateAuthority;
import dev.longtake.common.tls.TlsFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Processes that are commanded together. For one thread. Owns them. */
public final class PeerGroup implements AutoCloseable {
  private final List<PeerProcess> all = new ArrayList<>();
  private final ExecutorService calls = Executors.newVirtualThreadPerTaskExecutor();
  private int jobs;

  private PeerGroup() {}

  /**
   * Starts processes, with one connection to each peer.
   *
   * @param logs an empty folder, for the processes' certificate too
   * @param memoryBytes of each process for each direction
   * @param chunkBytes of a message
   */
  public static PeerGroup start(Path logs, int count, long memoryBytes, int chunkBytes) {
    var group = new PeerGroup();
    boolean isStarted = false;
    try {
      TlsFiles tls = PrivateAuthority.create(logs).issue("peer");
      for (int i = 0; i < count; i++) {
        group.all.add(PeerProcess.start("peer-" + i, logs, memoryBytes, chunkBytes, tls));
      }
      isStarted = true;
      return group;
    } finally {
      if (!isStarted) {
        group.close();
      }
    }
  }

  /** One of them, from 0. */
  public PeerProcess of(int rank) {
    return all.get(rank);
  }

  /** Opens a job among the first processes and tells its name; it is open as long as they live. */
  public String open(int ranks, Transport transport) {
    String job = "bench-" + ++jobs;
    String addresses =
        all.stream()
            .limit(ranks)
            .map(peer -> peer.exchangeAddress(transport))
            .collect(Collectors.joining(" "));
    for (int rank = 0; rank < ranks; rank++) {
      var _ = of(rank).call("open %s %d %s %s".formatted(job, rank, transport, addresses));
    }
    return job;
  }

  /** Commands to the first processes at once, and their answers; {@link PeerProcess#call} bounds the wait. */
  public List<double[]> together(List<String> commands) {
    List<Future<double[]>> running =
        IntStream.range(0, commands.size())
            .mapToObj(rank -> calls.submit(() -> of(rank).call(commands.get(rank))))
            .toList();
    return running.stream().map(PeerGroup::await).toList();
  }

  private static double[] await(Future<double[]> answer) {
    try {
      return answer.get();
    } catch (ExecutionException e) {
      throw e.getCause() instanceof LongtakeException known
          ? known
          : new LongtakeException(
              ErrorCode.INTERNAL, "A process of the benchmark failed: " + e.getCause(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(ErrorCode.CANCELED, "Interrupted while processes ran", e);
    }
  }

  @Override
  public void close() {
    all.forEach(PeerProcess::close);
    calls.shutdownNow();
  }
}
