package dev.longtake.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.ByteString;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.coordinator.TestCluster.Failure;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.TraceChunk;
import dev.longtake.v1.TraceRequest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The Trace call. */
final class TraceTest {
  @TempDir Path folder;

  private static ByteString trace(TestCluster cluster, String jobId) {
    ByteString bytes = ByteString.EMPTY;
    var chunks = cluster.generation().trace(TraceRequest.newBuilder().setJobId(jobId).build());
    while (chunks.hasNext()) {
      TraceChunk chunk = chunks.next();
      assertThat(chunk.getOffset()).isEqualTo(bytes.size());
      bytes = bytes.concat(chunk.getData());
    }
    return bytes;
  }

  @Test
  void shouldSendTheTracesOfAllRanksWhenTheJobIsDone() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      cluster.joined("w0");
      cluster.joined("w1");
      Job job = cluster.end(cluster.submit().getId());

      String text = trace(cluster, job.getId()).toStringUtf8();

      assertThat(Files.readString(folder.resolve("traces/" + job.getId() + ".json")))
          .isEqualTo(text);
      List<JsonObject> spans =
          JsonParser.parseString(text)
              .getAsJsonObject()
              .getAsJsonArray("traceEvents")
              .asList()
              .stream()
              .map(event -> event.getAsJsonObject())
              .filter(event -> event.get("ph").getAsString().equals("X"))
              .toList();
      assertThat(spans)
          .extracting(span -> span.get("pid").getAsInt(), span -> span.get("ts").getAsLong())
          .as("the second rank began 500 microseconds later")
          .containsExactly(tuple(0, 7L), tuple(1, 507L));
    }
  }

  @Test
  void shouldSaySoWhenThereIsNoTrace() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker worker = cluster.joined("w0");
      worker.behaviour = FakeWorker.Behaviour.HOLD;
      String running = cluster.submit().getId();
      cluster.awaitEvent(running, JobEvent::hasStepDone);
      Failure early = TestCluster.failure(() -> trace(cluster, running));
      assertThat(early.reason()).isEqualTo(ErrorCode.WRONG_STATE);
      assertThat(early.message()).contains("is running");
      worker.finish(running);
      Job done = cluster.end(running);

      Files.delete(folder.resolve("traces/" + done.getId() + ".json"));

      assertThat(TestCluster.failure(() -> trace(cluster, running)).message())
          .contains("Expected the job's trace, but it was deleted");
      assertThat(TestCluster.failure(() -> trace(cluster, "nope")).reason())
          .isEqualTo(ErrorCode.NO_SUCH_JOB);
    }
  }
}
