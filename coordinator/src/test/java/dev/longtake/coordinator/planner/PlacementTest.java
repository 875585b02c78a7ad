package dev.longtake.coordinator.planner;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.partition.Grain;
import dev.longtake.v1.LinkTimes;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class PlacementTest {
  private static final Workload WORKLOAD =
      Models.workload(Models.stdit3(8, 4, 1), Models.clip(3, 4, 4));

  private static LinkTimes link(int from, int to, double bytesPerSecond) {
    return LinkTimes.newBuilder()
        .setFromWorker("w" + from)
        .setToWorker("w" + to)
        .setBytesPerSecond(bytesPerSecond)
        .build();
  }

  /** Measured workers of one host with these links. */
  private static Machines machines(int workers, List<LinkTimes> links) {
    List<WorkerView> views = new ArrayList<>();
    for (int i = 0; i < workers; i++) {
      views.add(
          new WorkerView(
              "w" + i,
              "h",
              0,
              1,
              Grain.WHOLE,
              "cpu",
              0,
              Optional.of(Models.times(WORKLOAD, 100e9))));
    }
    List<String> ids = views.stream().map(WorkerView::id).toList();
    return new Machines(
        new ClusterView(views, new MeasuredLinks(links, ids, Collections.nCopies(workers, "h"))),
        WORKLOAD);
  }

  private static double[] equalSeconds(int workers) {
    double[] seconds = new double[workers];
    java.util.Arrays.fill(seconds, 1);
    return seconds;
  }

  /** Workers with the same remainder by 2 are an island. */
  private static List<LinkTimes> twoIslands(int workers, SplittableRandom noise) {
    List<LinkTimes> links = new ArrayList<>();
    for (int i = 0; i < workers; i++) {
      for (int j = 0; j < workers; j++) {
        if (i != j) {
          double rate = i % 2 == j % 2 ? 1e9 : 1e8;
          links.add(link(i, j, rate * noise.nextDouble(0.9, 1.1)));
        }
      }
    }
    return links;
  }

  @Test
  void shouldKeepSequenceGroupsInIslandsWhenLinksAreNoisy() {
    for (int seed = 0; seed < 50; seed++) {
      Machines machines = machines(6, twoIslands(6, new SplittableRandom(seed)));
      int[] placed = new Placement(machines, equalSeconds(6)).place(2, 3);

      assertThat(List.of(placed[0] % 2, placed[1] % 2, placed[2] % 2))
          .as("seed %d", seed)
          .containsOnly(placed[0] % 2);
      assertThat(placed[3] % 2).as("seed %d", seed).isNotEqualTo(placed[0] % 2);
      assertThat(placed).doesNotHaveDuplicates();
    }
  }

  @Test
  void shouldLeaveAWorkerOutWhenAnIslandHasOneTooMany() {
    Machines machines = machines(6, twoIslands(6, new SplittableRandom(1)));

    // Two groups of two fit into islands of three, one in each.
    int[] placed = new Placement(machines, equalSeconds(6)).place(2, 2);

    assertThat(placed[0] % 2).isEqualTo(placed[1] % 2);
    assertThat(placed[2] % 2).isEqualTo(placed[3] % 2);
    assertThat(placed).doesNotHaveDuplicates();
  }

  @Test
  void shouldTakeTheFastestWorkersWhenSomeAreLeftOver() {
    Machines machines = machines(4, List.of());

    int[] placed = new Placement(machines, new double[] {2, 1, 3, 1}).place(1, 2);

    assertThat(placed).containsExactly(1, 3);
  }

  @Test
  void shouldCrossIslandsWhenAGroupIsLargerThanAny() {
    Machines machines = machines(4, twoIslands(4, new SplittableRandom(3)));

    assertThat(new Placement(machines, equalSeconds(4)).place(1, 4))
        .containsExactlyInAnyOrder(0, 1, 2, 3);
  }

  @Test
  void shouldTakeTheOtherDirectionWhenALinkWasMeasuredInOne() {
    var links =
        new MeasuredLinks(
            List.of(link(0, 1, 5e8)), List.of("w0", "w1", "w2"), List.of("a", "a", "b"));

    assertThat(links.bytesPerSecond(1, 0)).isEqualTo(5e8);
    assertThat(links.bytesPerSecond(0, 2)).isEqualTo(MeasuredLinks.OTHER_HOST_BYTES_PER_SECOND);
    assertThat(links.latencySeconds(2, 1)).isEqualTo(MeasuredLinks.OTHER_HOST_LATENCY_SECONDS);
    assertThat(links.isTiered()).isFalse();
  }
}
