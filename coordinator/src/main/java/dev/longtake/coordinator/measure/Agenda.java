package dev.longtake.coordinator.measure;

import dev.longtake.coordinator.fleet.LinkTable;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.v1.LinkTimes;
import dev.longtake.v1.Precision;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * What is to be measured: the blocks of every worker, and links. Few workers are measured pair by pair; of many, one pair for each
 * two hosts, and one on each host. What failed is tried again, later each time, but not for ever. Not thread-safe.
 */
final class Agenda {
  /** Up to here, every pair of workers is measured: 28 pairs. */
  static final int ALL_PAIRS_WORKERS = 8;

  static final int MAX_FAILURES = 3;

  /** Between a failure and the next try; twice as long after the second. */
  static final Duration RETRY_PAUSE = Duration.ofSeconds(5);

  private record Failures(int count, long notBeforeNanos) {}

  private record HostPair(String first, String second) {
    static HostPair of(String a, String b) {
      return a.compareTo(b) <= 0 ? new HostPair(a, b) : new HostPair(b, a);
    }
  }

  private final Set<Precision> precisions = EnumSet.of(Precision.PRECISION_F32);
  private final Map<Measurement, Failures> failures = new HashMap<>();
  private final Set<Measurement> stale = new HashSet<>();

  /** Blocks are measured in this precision too, from now on. */
  void want(Precision precision) {
    precisions.add(precision);
  }

  /**
   * What may be measured now, most useful first.
   *
   * @param members by id
   */
  List<Measurement> due(List<Member> members, LinkTable links, long nowNanos) {
    List<Measurement> due = new ArrayList<>();
    for (Precision precision : precisions) {
      for (Member member : members) {
        Measurement blocks = new Measurement.Blocks(member, precision);
        if (member.times(precision).isEmpty() || stale.contains(blocks)) {
          due.add(blocks);
        }
      }
    }
    due.addAll(links(members, links));
    due.removeIf(measurement -> isPutOff(measurement, nowNanos));
    return due;
  }

  private List<Measurement> links(List<Member> members, LinkTable links) {
    List<Measurement> due = new ArrayList<>();
    for (Measurement measurement : stale) {
      if (measurement instanceof Measurement.Link link && members.containsAll(link.members())) {
        due.add(link);
      }
    }
    List<Measurement.Link> wanted =
        members.size() <= ALL_PAIRS_WORKERS ? allPairs(members) : hostPairs(members, links);
    for (Measurement.Link link : wanted) {
      if (!isMeasured(link, links) && !stale.contains(link)) {
        due.add(link);
      }
    }
    return due;
  }

  private static List<Measurement.Link> allPairs(List<Member> members) {
    List<Measurement.Link> pairs = new ArrayList<>();
    for (int i = 0; i < members.size(); i++) {
      for (int j = i + 1; j < members.size(); j++) {
        pairs.add(new Measurement.Link(members.get(i), members.get(j)));
      }
    }
    return pairs;
  }

  /** The first workers of every two hosts, and the first two of each host, unless others of these hosts were measured. */
  private static List<Measurement.Link> hostPairs(List<Member> members, LinkTable links) {
    Map<String, String> hostOf = new HashMap<>();
    Map<String, List<Member>> byHost = new TreeMap<>();
    for (Member member : members) {
      hostOf.put(member.id(), member.host());
      byHost.computeIfAbsent(member.host(), host -> new ArrayList<>()).add(member);
    }
    Set<HostPair> covered = new HashSet<>();
    for (LinkTimes link : links.all()) {
      String from = hostOf.get(link.getFromWorker());
      String to = hostOf.get(link.getToWorker());
      if (from != null && to != null) {
        covered.add(HostPair.of(from, to));
      }
    }
    List<List<Member>> hosts = List.copyOf(byHost.values());
    List<Measurement.Link> pairs = new ArrayList<>();
    for (int i = 0; i < hosts.size(); i++) {
      for (int j = i; j < hosts.size(); j++) {
        List<Member> other = i == j ? hosts.get(i).subList(1, hosts.get(i).size()) : hosts.get(j);
        if (!other.isEmpty()) {
          Measurement.Link pair = new Measurement.Link(hosts.get(i).getFirst(), other.getFirst());
          if (covered.add(HostPair.of(pair.first().host(), pair.second().host()))) {
            pairs.add(pair);
          }
        }
      }
    }
    return pairs;
  }

  private static boolean isMeasured(Measurement.Link link, LinkTable links) {
    return links.has(link.first().id(), link.second().id())
        && links.has(link.second().id(), link.first().id());
  }

  private boolean isPutOff(Measurement measurement, long nowNanos) {
    Failures failed = failures.get(measurement);
    return failed != null && (failed.count >= MAX_FAILURES || nowNanos - failed.notBeforeNanos < 0);
  }

  void succeeded(Measurement measurement) {
    failures.remove(measurement);
    stale.remove(measurement);
  }

  /** Returns how long it is until the measurement is due again; empty when it was tried often enough. */
  Optional<Duration> failed(Measurement measurement, long nowNanos) {
    int count = failures.getOrDefault(measurement, new Failures(0, 0)).count + 1;
    Duration pause = RETRY_PAUSE.multipliedBy(count);
    failures.put(measurement, new Failures(count, nowNanos + pause.toNanos()));
    return count < MAX_FAILURES ? Optional.of(pause) : Optional.empty();
  }

  /** Measures the blocks of a worker again, in a precision that was measured before. */
  void blocksDrifted(Member member, Precision precision) {
    again(new Measurement.Blocks(member, precision));
  }

  /** Measures the links between workers again. */
  void linksDrifted(List<Member> gang) {
    List<Member> byId = gang.stream().sorted(Comparator.comparing(Member::id)).toList();
    allPairs(byId).forEach(this::again);
  }

  private void again(Measurement measurement) {
    stale.add(measurement);
    failures.remove(measurement);
  }

  /** A worker has left. */
  void forget(Member member) {
    failures.keySet().removeIf(measurement -> measurement.members().contains(member));
    stale.removeIf(measurement -> measurement.members().contains(member));
  }
}
