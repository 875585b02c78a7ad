package dev.longtake.coordinator.measure;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.coordinator.fleet.LinkTable;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.fleet.TestMembers;
import dev.longtake.v1.BlockTimes;
import dev.longtake.v1.LinkTimes;
import dev.longtake.v1.Precision;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class AgendaTest {
  private final Agenda agenda = new Agenda();
  private final LinkTable links = new LinkTable();
  private final List<Member> members = new ArrayList<>();

  @AfterEach
  void close() {
    members.forEach(TestMembers::close);
  }

  private Member member(String id, String host) {
    Member member = TestMembers.of(id, host);
    members.add(member);
    return member;
  }

  private List<String> due(long nowNanos) {
    return agenda.due(members, links, nowNanos).stream().map(Measurement::jobId).toList();
  }

  private void measureBlocks() {
    members.forEach(
        member -> member.measured(Precision.PRECISION_F32, BlockTimes.getDefaultInstance()));
  }

  private void measureLink(String one, String other) {
    links.put(LinkTimes.newBuilder().setFromWorker(one).setToWorker(other).build());
    links.put(LinkTimes.newBuilder().setFromWorker(other).setToWorker(one).build());
  }

  @Test
  void shouldMeasureBlocksFirstThenEveryPairWhenWorkersAreFew() {
    member("w0", "a");
    member("w1", "a");
    member("w2", "b");

    assertThat(due(0))
        .containsExactly(
            "measure-blocks-w0-f32",
            "measure-blocks-w1-f32",
            "measure-blocks-w2-f32",
            "measure-link-w0-w1",
            "measure-link-w0-w2",
            "measure-link-w1-w2");
    measureBlocks();
    measureLink("w0", "w2");
    assertThat(due(0)).containsExactly("measure-link-w0-w1", "measure-link-w1-w2");
    agenda.want(Precision.PRECISION_BF16);
    assertThat(due(0)).startsWith("measure-blocks-w0-bf16").hasSize(5);
  }

  @Test
  void shouldMeasureOnePairForEachTwoHostsWhenWorkersAreMany() {
    for (int i = 0; i < 9; i++) {
      member("w" + i, i < 4 ? "a" : i < 8 ? "b" : "c");
    }
    measureBlocks();

    assertThat(due(0))
        .as("within a and b; c has one worker")
        .containsExactly(
            "measure-link-w0-w1",
            "measure-link-w0-w4",
            "measure-link-w0-w8",
            "measure-link-w4-w5",
            "measure-link-w4-w8");
    measureLink("w7", "w3");
    assertThat(due(0)).as("another pair of a and b counts").doesNotContain("measure-link-w0-w4");
  }

  @Test
  void shouldTryAgainLaterButNotForEverWhenAMeasurementFails() {
    Member member = member("w0", "a");
    Measurement blocks = new Measurement.Blocks(member, Precision.PRECISION_F32);
    long pause = Agenda.RETRY_PAUSE.toNanos();

    assertThat(agenda.failed(blocks, 0)).hasValue(Agenda.RETRY_PAUSE);
    assertThat(due(pause - 1)).isEmpty();
    assertThat(due(pause)).containsExactly("measure-blocks-w0-f32");
    assertThat(agenda.failed(blocks, pause)).hasValue(Agenda.RETRY_PAUSE.multipliedBy(2));
    assertThat(due(3 * pause - 1)).isEmpty();
    assertThat(due(3 * pause)).hasSize(1);
    assertThat(agenda.failed(blocks, 3 * pause)).isEmpty();
    assertThat(due(Long.MAX_VALUE / 2)).isEmpty();

    agenda.blocksDrifted(member, Precision.PRECISION_F32);
    assertThat(due(3 * pause)).as("drift is a new reason").hasSize(1);
  }

  @Test
  void shouldMeasureAgainUntilItSucceedsWhenSomethingDrifted() {
    Member w1 = member("w1", "a");
    Member w2 = member("w2", "a");
    measureBlocks();
    measureLink("w1", "w2");
    assertThat(due(0)).isEmpty();

    agenda.linksDrifted(List.of(w2, w1));
    agenda.blocksDrifted(w2, Precision.PRECISION_F32);
    assertThat(due(0)).containsExactly("measure-blocks-w2-f32", "measure-link-w1-w2");
    agenda.succeeded(new Measurement.Link(w1, w2));
    assertThat(due(0)).containsExactly("measure-blocks-w2-f32");
    agenda.forget(w2);
    assertThat(due(0)).isEmpty();
  }
}
