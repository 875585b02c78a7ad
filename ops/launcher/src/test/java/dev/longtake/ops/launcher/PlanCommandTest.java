package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

/** What-if: a model, machines in a file, no coordinator. */
class PlanCommandTest {
  private static final String TWO_NODES =
      """
      nodes:
        - count: 2
          gpus: 2
          gpu: H100-SXM
          inside: NVLink4
      between: 100GbE
      """;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @TempDir Path folder;

  private int plan(String cluster, String... more) throws IOException {
    Path file = folder.resolve("cluster.yaml");
    Files.writeString(file, cluster);
    Path demo = Path.of(System.getProperty("longtake.root", "../.."), "ops/demo-model");
    List<String> arguments =
        new ArrayList<>(List.of("plan", "--model", demo.toString(), "--cluster", file.toString()));
    arguments.addAll(List.of(more));
    CommandLine line =
        Longtake.commandLine(/* isDebug= */ false)
            .setOut(new PrintWriter(out))
            .setErr(new PrintWriter(err));
    return line.execute(arguments.toArray(String[]::new));
  }

  @Test
  void shouldPrintEveryPlanWithTheReasonItLost() throws IOException {
    assertThat(plan(TWO_NODES, "--size", "512x512", "--frames", "64")).as("%s", err).isZero();

    List<String> lines = out.toString().lines().toList();
    assertThat(lines.get(0)).contains("plans considered for 2 rows");
    assertThat(lines.getLast())
        .matches("One clip of this size has room for [1-9]\\d* latent frames.*");
    assertThat(lines.get(2)).startsWith("PLAN ").contains("STEP", "MEMORY", "SENT");
    assertThat(lines.get(3)).contains("chosen: ");
    assertThat(lines.subList(4, lines.size() - 2))
        .isNotEmpty()
        .allMatch(line -> line.contains("slower: ") || line.contains("as fast"));
  }

  @Test
  void shouldPrintJsonWithPredictions() throws IOException {
    assertThat(plan(TWO_NODES, "--json", "--limit", "3")).as("%s", err).isZero();

    JsonObject response = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertThat(response.getAsJsonArray("candidates")).hasSize(3);
    JsonObject chosen = response.getAsJsonArray("candidates").get(0).getAsJsonObject();
    assertThat(chosen.get("chosen").getAsBoolean()).isTrue();
    assertThat(chosen.getAsJsonObject("plan").has("prediction")).isTrue();
  }

  @Test
  void shouldPredictThePlanThatIsAskedFor() throws IOException {
    assertThat(plan(TWO_NODES, "--plan", "branches=2 stages=0-4,4-8")).as("%s", err).isZero();

    assertThat(out.toString())
        .startsWith("1 plan considered")
        .contains("2 branches x 2 stages [0-4,4-8]");
  }

  @Test
  void shouldConsiderABoundedNumberOfPlansOfThousandsOfWorkers() throws IOException {
    String many = TWO_NODES.replace("count: 2", "count: 500").replace("gpus: 2", "gpus: 8");
    assertThat(plan(many, "--size", "1280x720", "--frames", "120", "--json"))
        .as("%s", err)
        .isZero();

    JsonObject response = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertThat(response.get("considered").getAsInt()).isBetween(20, 5000);
  }

  @Test
  void shouldSayWhatWouldFitWhenNothingDoes() throws IOException {
    String small =
        TWO_NODES.replace("H100-SXM", "{teraflops: 1, memory_gib: 0.001, memory_bandwidth: 1}");
    assertThat(plan(small, "--size", "512x512", "--frames", "64")).isEqualTo(1);

    assertThat(err.toString().lines()).hasSize(1);
    assertThat(err.toString()).contains("MiB").containsPattern("frames|smaller|workers|GiB");
  }

  @ParameterizedTest
  @CsvSource({
    "H100-SXM, H100SXM, nodes[0].gpu, H100-SXM",
    "NVLink4, '{gbit_per_s: -5}', nodes[0].inside.gbit_per_s, larger than 0",
    "100GbE, '{gbit_per_s: 0}', between.gbit_per_s, larger than 0",
    "count: 2, count: 0, nodes[0].count, '0'",
    "count: 2, counts: 2, counts, nodes[0]",
    "'between: 100GbE', '', between, between",
    "'gpu: H100-SXM', 'gpu: [1', cluster.yaml, line"
  })
  void shouldNameFileKeyAndValueWhenTheClusterFileIsWrong(
      String right, String wrong, String key, String allowed) throws IOException {
    assertThat(plan(TWO_NODES.replace(right, wrong))).as("%s%s", out, err).isEqualTo(2);

    assertThat(err.toString().lines()).hasSize(1);
    assertThat(err.toString()).startsWith("longtake: Expected ").contains(key, allowed);
  }

  @ParameterizedTest
  @CsvSource({
    "ranks=99, at most the 4 workers",
    "'stages=0-2,3-8', leave a gap",
    "'stages=0-5,4-8', overlap",
    "'stages=0-4', all 8 blocks",
    "branches=3, 3"
  })
  void shouldRefuseAPlanThatIsImpossible(String text, String why) throws IOException {
    assertThat(plan(TWO_NODES, "--plan", text)).as("%s", out).isEqualTo(2);

    assertThat(err.toString().lines()).hasSize(1);
    assertThat(err.toString()).startsWith("longtake: Expected ").contains(why);
  }

  @ParameterizedTest
  @CsvSource({
    "--limit, 0, '1 to 80, but got 0'",
    "--rows, 0, '1 to 64, but got 0'",
    "--size, 720p, WIDTHxHEIGHT",
    "--text-tokens, -1, 'but got -1'",
    "--precision, f16, 'f32 or bf16'",
    "--plan, ranks=two, at least 1"
  })
  void shouldSayWhatIsAllowedWhenAnOptionIsWrong(String option, String value, String allowed)
      throws IOException {
    assertThat(plan(TWO_NODES, option, value)).as("%s", out).isEqualTo(2);

    assertThat(err.toString().lines()).hasSize(1);
    assertThat(err.toString()).startsWith("longtake: ").contains(option, allowed);
  }

  @Test
  void shouldTakeOtherPresetsWhenAFileHasThem() throws IOException {
    Path presets = folder.resolve("mine.yaml");
    Files.writeString(
        presets,
        """
        gpus:
          H100-SXM: {teraflops: 1, memory_gib: 80, memory_bandwidth: 3350}
        links:
          NVLink4: {gbit_per_s: 3600}
          100GbE: {gbit_per_s: -1}
        """);

    assertThat(plan(TWO_NODES, "--presets", presets.toString())).as("%s", out).isEqualTo(2);
    assertThat(err.toString()).contains("links.100GbE.gbit_per_s", "'-1'", "mine.yaml, line 5");
  }

  @Test
  void shouldAskForAModelWhenThereAreMachinesOnly() throws IOException {
    Path file = folder.resolve("cluster.yaml");
    Files.writeString(file, TWO_NODES);
    int status =
        Longtake.commandLine(/* isDebug= */ false)
            .setErr(new PrintWriter(err))
            .execute("plan", "--cluster", file.toString());

    assertThat(status).isEqualTo(2);
    assertThat(err.toString()).contains("--model");
  }
}
