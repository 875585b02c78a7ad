package dev.longtake.ops.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class BenchCommandTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private record Fixed(String name, List<Figure> figures) implements Benchmark {
    @Override
    public List<Figure> run(BenchOptions options) {
      options.notes().accept("fixed.other is left out: nobody can measure it");
      return figures;
    }

    @Override
    public String description() {
      return "gives what it is told";
    }
  }

  private int run(String... arguments) {
    var fixed =
        new Fixed(
            "fixed",
            List.of(
                new Figure("fixed.seconds", 2.5, "s", Goal.atMost(30)),
                new Figure("fixed.rate", 9, "1/s", Goal.atLeast(10)),
                new Figure("fixed.bytes", 1L << 40, "bytes", Goal.none()),
                new Figure("fixed.unknown", Double.NaN, "bytes", Goal.atMost(1))));
    return new CommandLine(new BenchCommand(List.of(fixed)))
        .setOut(new PrintWriter(out))
        .setErr(new PrintWriter(err))
        .execute(arguments);
  }

  @Test
  void shouldPrintTheDocumentedShapeWhenJsonIsAsked() {
    assertThat(run("fixed", "--json")).isZero();
    JsonObject json = JsonParser.parseString(out.toString()).getAsJsonObject();
    assertThat(json.keySet()).containsExactly("bench", "machine", "figures", "notes");
    assertThat(json.getAsJsonObject("machine").keySet())
        .containsExactly("os", "cpu", "cores", "memory_bytes", "java");
    assertThat(json.getAsJsonObject("machine").get("cores").getAsInt()).isPositive();
    assertThat(json.getAsJsonArray("notes").toString())
        .isEqualTo("[\"fixed.other is left out: nobody can measure it\"]");
    assertThat(json.getAsJsonArray("figures").toString())
        .isEqualTo(
            """
            [{"name":"fixed.seconds","value":2.5,"unit":"s","goal":{"at_most":30.0},"met":true},\
            {"name":"fixed.rate","value":9.0,"unit":"1/s","goal":{"at_least":10.0},"met":false},\
            {"name":"fixed.bytes","value":1.099511627776E12,"unit":"bytes","goal":null,"met":null},\
            {"name":"fixed.unknown","value":null,"unit":"bytes","goal":{"at_most":1.0},"met":false}]\
            """);
  }

  @Test
  void shouldSayWhatIsNotMetAndStillSucceedWhenATextIsAsked() {
    assertThat(run("fixed")).isZero();
    assertThat(out.toString().lines().skip(1).map(line -> line.replaceAll(" +", " ").strip()))
        .containsExactly(
            "fixed.seconds 2.500 s goal <= 30 met",
            "fixed.rate 9 1/s goal >= 10 NOT MET",
            "fixed.bytes 1099511627776 bytes no goal",
            "fixed.unknown not measured bytes goal <= 1 NOT MET",
            "fixed.other is left out: nobody can measure it");
  }

  @Test
  void shouldNameTheBenchmarksWhenTheNameIsUnknownOrMissing() {
    assertThat(run("other")).isEqualTo(2);
    assertThat(err.toString())
        .contains("Expected the name of a benchmark (fixed), but got 'other'");
    assertThat(run()).isEqualTo(2);
    assertThat(run("--list")).isZero();
    assertThat(out.toString()).startsWith("fixed ").contains("gives what it is told");
  }

  @Test
  void shouldRefuseAFigureWhenItsNameIsNotDotted() {
    for (String name : List.of("seconds", "Demo.seconds", "demo.", "demo seconds.x")) {
      assertThatThrownBy(() -> new Figure(name, 1, "s", Goal.none()))
          .hasMessageContaining("'" + name + "'");
    }
    assertThat(Goal.atMost(1).isMetBy(Double.NaN)).isFalse();
  }

  @Test
  void shouldCountThisProcessWhenMemoryIsMeasurable() {
    Assumptions.assumeTrue(TreeMemory.isMeasurable());
    TreeMemory memory = TreeMemory.of(ProcessHandle.current());
    assertThat(memory.rssBytes())
        .isGreaterThan(10L << 20)
        .isGreaterThanOrEqualTo(memory.pssBytes());
    assertThat(memory.pssBytes()).isPositive();
    assertThat(memory.peak(TreeMemory.ZERO)).isEqualTo(memory);
  }
}
