package dev.longtake.coordinator.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.RankTrace;
import dev.longtake.v1.TraceKind;
import dev.longtake.v1.TraceSpan;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class TraceFilesTest {
  @TempDir Path folder;

  private static TraceSpan span(int name, TraceKind kind, int lane, int step, long start) {
    return TraceSpan.newBuilder()
        .setName(name)
        .setKind(kind)
        .setLane(lane)
        .setStep(step)
        .setStartMicros(start)
        .setDurationMicros(9)
        .build();
  }

  private static List<JsonObject> events(JsonObject json, String phase) {
    return json.getAsJsonArray("traceEvents").asList().stream()
        .map(JsonElement::getAsJsonObject)
        .filter(event -> event.get("ph").getAsString().equals(phase))
        .toList();
  }

  private JsonObject read(TraceFiles traces, String job) throws Exception {
    return JsonParser.parseString(Files.readString(traces.find(job).orElseThrow()))
        .getAsJsonObject();
  }

  @Test
  void shouldWriteWhatViewersReadWhenRanksSentTraces() throws Exception {
    TraceFiles traces = TraceFiles.open(folder, 5);
    RankTrace first =
        RankTrace.newBuilder()
            .setRank(0)
            .setStartUnixMicros(1_000_300)
            .addNames("attend \"spatial\"")
            .addNames("send")
            .addSpans(span(0, TraceKind.TRACE_KIND_COMPUTE, 0, 1, 10))
            .addSpans(span(1, TraceKind.TRACE_KIND_EXCHANGE, 1, 1, 12))
            .addSpans(span(7, TraceKind.TRACE_KIND_WAIT, 2, 2, 30))
            .setDropped(4)
            .build();
    RankTrace second =
        RankTrace.newBuilder()
            .setRank(1)
            .setStartUnixMicros(1_000_000)
            .addNames("attend")
            .addSpans(span(0, TraceKind.TRACE_KIND_COMPUTE, 0, 1, 10))
            .build();

    traces.write("job", List.of("w7", "w8"), 2, List.of(first, second));

    JsonObject json = read(traces, "job");
    assertThat(json.getAsJsonObject("otherData").get("dropped_spans").getAsLong()).isEqualTo(4);
    assertThat(events(json, "X"))
        .extracting(
            e -> e.get("name").getAsString(),
            e -> e.get("cat").getAsString(),
            e -> e.get("pid").getAsInt(),
            e -> e.get("tid").getAsInt(),
            e -> e.get("ts").getAsLong(),
            e -> e.getAsJsonObject("args").get("step").getAsInt())
        .containsExactly(
            tuple("attend \"spatial\"", "compute", 0, 0, 310L, 1),
            tuple("send", "exchange", 0, 1, 312L, 1),
            tuple("unnamed", "wait", 0, 2, 330L, 2),
            tuple("attend", "compute", 1, 0, 10L, 1));
    assertThat(events(json, "X")).allMatch(e -> e.get("dur").getAsLong() == 9);
    assertThat(events(json, "M"))
        .filteredOn(e -> e.getAsJsonObject("args").has("name"))
        .extracting(
            e -> e.get("name").getAsString(),
            e -> e.get("pid").getAsInt(),
            e -> e.get("tid").getAsInt(),
            e -> e.getAsJsonObject("args").get("name").getAsString())
        .containsExactly(
            tuple("process_name", 0, 0, "w7"),
            tuple("thread_name", 0, 0, "part 0"),
            tuple("thread_name", 0, 1, "part 1"),
            tuple("thread_name", 0, 2, "sampling loop"),
            tuple("process_name", 1, 0, "w8"),
            tuple("thread_name", 1, 0, "part 0"));
  }

  @Test
  void shouldForgetTheOldestWhenThereAreTooMany() throws Exception {
    Files.writeString(folder.resolve("a.json"), "{}");
    TraceFiles traces = TraceFiles.open(folder, 2);
    assertThat(traces.find("a")).as("of an earlier coordinator").isPresent();

    traces.write("b", List.of("w0"), 1, List.of(RankTrace.getDefaultInstance()));
    traces.write("c", List.of("w0"), 1, List.of(RankTrace.getDefaultInstance()));

    assertThat(traces.find("a")).isEmpty();
    assertThat(folder.resolve("a.json")).doesNotExist();
    assertThat(traces.find("b")).isPresent();
    assertThat(events(read(traces, "c"), "X")).isEmpty();
    assertThat(TraceFiles.open(folder, 1).find("b")).as("sorted by name").isEmpty();
  }

  @Test
  void shouldNameTheFileWhenItCannotBeWritten() throws Exception {
    TraceFiles traces = TraceFiles.open(folder, 2);
    Files.createDirectories(folder.resolve("job.json/full"));

    assertThatThrownBy(
            () -> traces.write("job", List.of("w0"), 1, List.of(RankTrace.getDefaultInstance())))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("job.json");
    assertThat(traces.find("job")).isEmpty();
  }
}
