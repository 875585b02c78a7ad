package dev.longtake.ops.launcher.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.options.YamlMap;
import dev.longtake.coordinator.planner.ClusterView;
import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Precision;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ClusterFileTest {
  private static final ModelProfile PROFILE =
      ModelProfile.newBuilder()
          .setChannels(10)
          .setHeads(1)
          .addBlocks(BlockProfile.newBuilder().setKind("blocks").setFlopsPerToken(1_000_000))
          .build();

  private static ClusterFile read(String text) {
    return ClusterFile.read(YamlMap.read("cluster.yaml", text), Presets.builtIn());
  }

  @Test
  void shouldMakeAWorkerOfEveryGpuWhenTheFileIsRight() {
    ClusterView view =
        read("""
        nodes:
          - {count: 2, gpus: 2, gpu: H100-SXM, inside: NVLink4}
          - gpu: {teraflops: 100, efficiency: 0.5, memory_gib: 24, memory_bandwidth: 1000}
        between: {gbit_per_s: 8, latency_us: 30}
        """)
            .view(PROFILE, Precision.PRECISION_BF16);

    assertThat(view.workers()).hasSize(5);
    assertThat(view.workers().getFirst().memoryBytes()).isEqualTo(80L << 30);
    assertThat(view.workers().getLast().memoryBytes()).isEqualTo(24L << 30);
    assertThat(view.workers().getLast().times().orElseThrow().getKinds(0).getSecondsPerToken())
        .isEqualTo(1e6 / 50e12);
    assertThat(view.links().bytesPerSecond(0, 1)).isEqualTo(450e9);
    assertThat(view.links().bytesPerSecond(1, 2)).isEqualTo(1e9);
    assertThat(view.links().latencySeconds(4, 0)).isEqualTo(30e-6);
    assertThat(view.links().isTiered()).isTrue();
  }

  @Test
  void shouldAskForFloat32RatesWhenAGpuHasNone() {
    ClusterFile file =
        read("nodes: [{gpu: {teraflops: 100, memory_gib: 24, memory_bandwidth: 1000}}]");

    assertThatThrownBy(() -> file.view(PROFILE, Precision.PRECISION_F32))
        .hasMessageContaining("teraflops_f32");
    assertThat(file.view(PROFILE, Precision.PRECISION_BF16).workers()).hasSize(1);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "nodes: [] | nodes to be a list of at least one entry | line 1",
        "nodes: 3 | nodes to be a list | '3'",
        "nodes: [{gpu: H100-SXM, gpus: -8}] | nodes[0].gpus to be a whole number of 1 | '-8'",
        "nodes: [{gpu: H100-SXM, gpus: 1.5}] | nodes[0].gpus to be a whole number of 1 | '1.5'",
        "nodes: [{gpus: 2}] | the key nodes[0].gpu, but it is missing | line 1",
        "nodes: [{gpu: H100-SXM, gpus: 2}] | the key nodes[0].inside | missing",
        "nodes: [{gpu: {teraflops: 1, efficiency: 2, memory_gib: 1, memory_bandwidth: 1}}] |"
            + " nodes[0].gpu.efficiency | at most 1",
        "nodes: [{gpu: {teraflops: .inf, memory_gib: 1, memory_bandwidth: 1}}] |"
            + " nodes[0].gpu.teraflops | larger than 0",
        "nodes: [{gpu: H100-SXM}, 4] | nodes[1] to be keys with values | '4'",
        "nodes: [{gpu: H100-SXM, gpu: L20}] | every key once | nodes[0].gpu",
        "nodes: [{gpu: H100-SXM, count: 10000, gpus: 1000, inside: PCIe4}] | at most 16384 GPUs |"
            + " not 10000000",
        "'' | keys with values in cluster.yaml | empty"
      })
  void shouldSayWhatIsAllowedWhenTheFileIsWrong(String text, String expected, String got) {
    assertThatThrownBy(() -> read(text))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID_REQUEST))
        .hasMessageContaining(expected)
        .hasMessageContaining(got);
  }

  @Test
  void shouldNameTheLineWhenAValueIsWrongFurtherDown() {
    assertThatThrownBy(() ->
            read(
                """
                nodes:
                  - count: 2
                    gpu: L20
                between:
                  gbit_per_s: -10
                """))
        .hasMessageContaining("between.gbit_per_s to be a number larger than 0, but got '-10'")
        .hasMessageContaining("(cluster.yaml, line 5)");
  }
}
