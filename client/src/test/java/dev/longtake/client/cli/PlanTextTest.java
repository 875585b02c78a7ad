package dev.longtake.client.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.client.LongtakeClientException;
import dev.longtake.v1.BlockRange;
import dev.longtake.v1.Plan;
import dev.longtake.v1.SequenceMode;
import dev.longtake.v1.WireFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PlanTextTest {
  private static final Plan FULL =
      Plan.newBuilder()
          .setBranchGroups(2)
          .addStages(BlockRange.newBuilder().setEnd(14))
          .addStages(BlockRange.newBuilder().setStart(14).setEnd(56))
          .setSequenceRanks(4)
          .setSequenceMode(SequenceMode.SEQUENCE_MODE_PATCH_GATHER)
          .addAllSequenceShares(List.of(2, 1, 1, 1))
          .setMicroBatches(2)
          .build();

  @Test
  void shouldNameEveryAxisWhenAllAreDivided() {
    assertThat(PlanText.format(FULL))
        .isEqualTo(
            "2 branches x 2 stages [0-14,14-56] x 4 ranks (patch-gather), shares 2:1:1:1, 2 parts");
  }

  @Test
  void shouldBeShortWhenLittleIsDivided() {
    assertThat(PlanText.format(Plan.newBuilder().setSequenceRanks(1).build()))
        .isEqualTo("1 worker");
    assertThat(PlanText.format(Plan.newBuilder().setSequenceRanks(3).build())).isEqualTo("3 ranks");
    assertThat(PlanText.format(Plan.newBuilder().setBranchGroups(2).setSequenceRanks(1).build()))
        .isEqualTo("2 branches");
  }

  @Test
  void shouldCountEqualSharesWhenThereAreMany() {
    Plan plan =
        Plan.newBuilder()
            .setSequenceRanks(9)
            .addAllSequenceShares(List.of(3, 3, 2, 2, 2, 2, 2, 2, 1))
            .build();

    assertThat(PlanText.format(plan)).isEqualTo("9 ranks, shares 3:3:2(x6):1");
  }

  @Test
  void shouldLeaveOutStagesWhenThereAreMany() {
    var plan = Plan.newBuilder().setSequenceRanks(1);
    for (int i = 0; i < 7; i++) {
      plan.addStages(BlockRange.newBuilder().setStart(2 * i).setEnd(2 * i + 2));
    }

    assertThat(PlanText.format(plan.build())).isEqualTo("7 stages [0-2,2-4,4-6,6-8,...,12-14]");
    assertThat(PlanText.format(plan.removeStages(6).build()))
        .isEqualTo("6 stages [0-2,2-4,4-6,6-8,8-10,10-12]");
  }

  @Test
  void shouldReadEveryPartInAnyOrder() {
    assertThat(
            PlanText.parse(
                " parts=2 shares=2,1,1,1  mode=patch-gather ranks=4 stages=0-14,14-56 branches=2"))
        .isEqualTo(FULL);
  }

  @Test
  void shouldSayThatTheWireIsLossyWhereThereIsOne() {
    Plan two = PlanText.parse("ranks=2 wire=int8-rows");
    assertThat(two.getWireFormat()).isEqualTo(WireFormat.WIRE_FORMAT_INT8_ROWS);
    assertThat(PlanText.format(two)).isEqualTo("2 ranks, lossy wire int8-rows");
    assertThat(PlanText.format(two.toBuilder().setSequenceRanks(1).build())).isEqualTo("1 worker");
    assertThat(PlanText.format(PlanText.parse("ranks=2 wire=stored"))).isEqualTo("2 ranks");
  }

  @Test
  void shouldTakeDefaultsWhenPartsAreAbsent() {
    assertThat(PlanText.parse("branches=2"))
        .isEqualTo(Plan.newBuilder().setBranchGroups(2).setSequenceRanks(1).build());
    assertThat(PlanText.parse("shares=3,1").getSequenceRanks()).isEqualTo(2);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "ranks | Expected parts KEY=VALUE with the keys branches, stages, ranks, mode, parts,"
            + " shares, wire | 'ranks'",
        "gpus=4 | Expected parts KEY=VALUE | 'gpus=4'",
        "ranks=0 | Expected ranks to be at least 1 | '0'",
        "ranks=two | Expected ranks to be at least 1 | 'two'",
        "ranks=2 ranks=3 | Expected every part of a plan once | 'ranks'",
        "stages=14 | ranges of blocks START-END | '14'",
        "stages=0-14,-56 | ranges of blocks START-END | '-56'",
        "mode=ring | one of switch, heads, gather, patch-heads, patch-gather | 'ring'",
        "wire=fp4 | a wire format of stored, bf16, int8-rows | 'fp4'",
        "shares=1,,2 | Expected shares to be at least 1 | ''",
        "'' | Expected a plan such as | nothing"
      })
  void shouldSayWhatIsAllowedWhenThePlanCannotBeRead(String text, String expected, String got) {
    assertThatThrownBy(() -> PlanText.parse(text))
        .isInstanceOfSatisfying(
            LongtakeClientException.class,
            e -> assertThat(e.reason()).isEqualTo(LongtakeClientException.INVALID_REQUEST))
        .hasMessageContaining(expected)
        .hasMessageContaining(got);
  }
}
