package dev.longtake.ops.bench;

import dev.longtake.common.error.LongtakeException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** The peers of one comparison, which do the same sampling run. For one thread. Owns their processes. */
final class TorchPeers implements AutoCloseable {
  private final String python;
  private final Path scripts;
  private final Path folder;
  private final SamplingCase sampling;
  private final List<TorchPeer> open = new ArrayList<>();
  private final Map<String, Double> peakBytes = new TreeMap<>();

  /**
   * @param scripts the folder of peer.py
   * @param folder for inputs, outputs and logs
   */
  TorchPeers(String python, Path scripts, Path folder, SamplingCase sampling) {
    this.python = python;
    this.scripts = scripts;
    this.folder = folder;
    this.sampling = sampling;
  }

  /**
   * Starts one and lets it take turns.
   *
   * @param threads of each of its processes
   * @param options of peer.py
   */
  void add(Turns turns, String name, int threads, List<String> options) {
    TorchPeer peer = start(name, threads, options);
    turns.add(name, () -> run(name, peer));
  }

  /** As {@link #add}, but a peer that can't run once is left out: the result says why. */
  Optional<String> tryToAdd(Turns turns, String name, int threads, List<String> options) {
    try {
      TorchPeer peer = start(name, threads, options);
      run(name, peer);
      turns.add(name, () -> run(name, peer));
      return Optional.empty();
    } catch (LongtakeException e) {
      return Optional.of(e.getMessage());
    }
  }

  private TorchPeer start(String name, int threads, List<String> options) {
    Path task = sampling.write(folder, name);
    TorchPeer peer = TorchPeer.start(python, scripts, task, options, threads, folder);
    open.add(peer);
    return peer;
  }

  private Turns.Outcome run(String name, TorchPeer peer) {
    TorchPeer.Run run = peer.run();
    peakBytes.put(name, run.peakBytes());
    return new Turns.Outcome(run.seconds(), sampling.read(SamplingCase.output(folder, name)));
  }

  /** Most memory that was ever resident; NaN before the first run. */
  double peakBytes(String name) {
    return peakBytes.getOrDefault(name, Double.NaN);
  }

  @Override
  public void close() {
    open.forEach(TorchPeer::close);
  }
}
