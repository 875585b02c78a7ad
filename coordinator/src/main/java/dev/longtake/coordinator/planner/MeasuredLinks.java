package dev.longtake.coordinator.planner;

import dev.longtake.v1.LinkTimes;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Links that workers measured over the real exchange. A pair that was measured in one direction only has the same link in the other; a
 * pair that was not measured gets what is usual: {@value #SAME_HOST_BYTES_PER_SECOND} bytes/s through one host's
 * loopback, {@value #OTHER_HOST_BYTES_PER_SECOND} bytes/s (10 Gbit/s) between hosts.
 */
public final class MeasuredLinks implements Links {
  static final double SAME_HOST_BYTES_PER_SECOND = 1.5e9;
  static final double SAME_HOST_LATENCY_SECONDS = 100e-6;
  static final double OTHER_HOST_BYTES_PER_SECOND = 1.25e9;
  static final double OTHER_HOST_LATENCY_SECONDS = 200e-6;

  private final double[][] bytesPerSecond;
  private final double[][] latencySeconds;
  private final boolean tiered;

  /**
   * The links of a cluster.
   *
   * @param times of whatever pairs; those of workers that are not there are ignored
   * @param ids of the workers in order
   * @param hosts of the workers in order
   */
  public MeasuredLinks(List<LinkTimes> times, List<String> ids, List<String> hosts) {
    int workers = ids.size();
    Map<String, Integer> index = new HashMap<>();
    for (int i = 0; i < workers; i++) {
      index.put(ids.get(i), i);
    }
    bytesPerSecond = new double[workers][workers];
    latencySeconds = new double[workers][workers];
    boolean measured = false;
    for (LinkTimes link : times) {
      Integer from = index.get(link.getFromWorker());
      Integer to = index.get(link.getToWorker());
      if (from != null && to != null && link.getBytesPerSecond() > 0) {
        bytesPerSecond[from][to] = link.getBytesPerSecond();
        latencySeconds[from][to] = Math.max(0, link.getLatencySeconds());
        measured = true;
      }
    }
    tiered = !measured;
    complete(hosts);
  }

  private void complete(List<String> hosts) {
    int workers = bytesPerSecond.length;
    for (int from = 0; from < workers; from++) {
      for (int to = from; to < workers; to++) {
        boolean sameHost = hosts.get(from).equals(hosts.get(to));
        if (bytesPerSecond[from][to] == 0 && bytesPerSecond[to][from] == 0) {
          bytesPerSecond[from][to] =
              sameHost ? SAME_HOST_BYTES_PER_SECOND : OTHER_HOST_BYTES_PER_SECOND;
          latencySeconds[from][to] =
              sameHost ? SAME_HOST_LATENCY_SECONDS : OTHER_HOST_LATENCY_SECONDS;
        }
        if (bytesPerSecond[from][to] == 0) {
          mirror(to, from);
        } else if (bytesPerSecond[to][from] == 0) {
          mirror(from, to);
        }
      }
    }
  }

  private void mirror(int from, int to) {
    bytesPerSecond[to][from] = bytesPerSecond[from][to];
    latencySeconds[to][from] = latencySeconds[from][to];
  }

  @Override
  public double bytesPerSecond(int from, int to) {
    return bytesPerSecond[from][to];
  }

  @Override
  public double latencySeconds(int from, int to) {
    return latencySeconds[from][to];
  }

  @Override
  public boolean isTiered() {
    return tiered;
  }
}
