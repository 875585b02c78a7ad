package dev.longtake.coordinator.artifacts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.SamplerState;
import dev.longtake.v1.StoredPrompt;
import dev.longtake.v1.StoredTail;
import dev.longtake.v1.StoredText;
import dev.longtake.v1.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class JobArtifactsTest {
  private static final StoredPrompt PROMPT =
      StoredPrompt.newBuilder().setPrompt(StoredText.newBuilder().addTokenIds(7)).build();

  @TempDir Path folder;
  private JobArtifacts artifacts;
  private boolean isLeading = true;

  @BeforeEach
  void open() throws IOException {
    artifacts =
        new JobArtifacts(
            Files.createDirectory(folder.resolve("jobs")),
            Files.createDirectory(folder.resolve("videos")),
            () -> isLeading);
    artifacts.writePrompt("job", PROMPT);
  }

  private static SamplerState state(int step) {
    byte[] bytes = new byte[1000];
    new Random(step).nextBytes(bytes);
    return SamplerState.newBuilder()
        .setStepsDone(step)
        .setLatents(Tensor.newBuilder().setData(ByteString.copyFrom(bytes)))
        .build();
  }

  private Path file(int step) {
    return folder.resolve("jobs/job/state-000001-%06d".formatted(step));
  }

  @Test
  void shouldKeepTheLastTwoStates() throws Exception {
    assertThat(artifacts.latestState("job", 1)).isEmpty();
    for (int step : new int[] {1, 2, 9, 10}) {
      artifacts.writeState("job", 1, state(step));
    }

    assertThat(artifacts.latestState("job", 1)).hasValue(state(10));
    assertThat(file(9)).exists();
    assertThat(file(2)).doesNotExist();
    assertThat(artifacts.readPrompt("job")).isEqualTo(PROMPT);
  }

  @Test
  void shouldKeepWhatTheNextSegmentNeeds() throws Exception {
    for (int segment = 1; segment <= 3; segment++) {
      artifacts.writeState("job", segment, state(5));
      artifacts.writeTail("job", StoredTail.newBuilder().setSegmentsDone(segment).build());
    }
    artifacts.writeTail("jobber", StoredTail.newBuilder().setSegmentsDone(1).build());

    assertThat(artifacts.latestState("job", 3)).hasValue(state(5));
    assertThat(artifacts.latestState("job", 4)).isEmpty();
    artifacts.deleteTailsBefore("job", 3);
    assertThat(artifacts.readTail("job", 2)).isEmpty();
    assertThat(artifacts.readTail("job", 3).orElseThrow().getSegmentsDone()).isEqualTo(3);
    Path stream = Files.writeString(artifacts.stream("job"), "segments");
    Files.writeString(artifacts.video("job"), "whole");
    artifacts.deleteVideo("job");
    assertThat(artifacts.video("job")).doesNotExist();
    assertThat(stream).exists();
    artifacts.deleteOutputs("job");
    assertThat(stream).doesNotExist();
    assertThat(artifacts.readTail("job", 3)).isEmpty();
    assertThat(artifacts.readTail("jobber", 1)).as("another job's").isPresent();
  }

  @Test
  void shouldUseTheStateBeforeWhenAnyByteOfTheLastIsWrong() throws Exception {
    Random random = new Random(11);
    for (int round = 0; round < 200; round++) {
      artifacts.writeState("job", 1, state(1));
      artifacts.writeState("job", 1, state(2));
      byte[] bytes = Files.readAllBytes(file(2));
      if (round % 2 == 0) {
        bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
        Files.write(file(2), bytes);
      } else {
        Files.write(file(2), Arrays.copyOf(bytes, random.nextInt(bytes.length)));
      }

      assertThat(artifacts.latestState("job", 1)).hasValue(state(1));
      assertThat(file(2)).as("not tried again").doesNotExist();
    }
  }

  @Test
  void shouldSayWhatIsWrongWhenAFolderCantBeUsed() throws Exception {
    Path notAFolder = Files.writeString(folder.resolve("file"), "x");
    JobArtifacts broken = new JobArtifacts(notAFolder, folder, () -> true);

    assertThatThrownBy(() -> broken.writePrompt("job", PROMPT))
        .isInstanceOfSatisfying(
            LongtakeException.class,
            e -> assertThat(e.code()).isEqualTo(ErrorCode.STORAGE_UNAVAILABLE))
        .hasMessageContaining(notAFolder.toString());
    Files.write(folder.resolve("jobs/job/prompt"), new byte[40]);
    assertThatThrownBy(() -> artifacts.readPrompt("job"))
        .isInstanceOfSatisfying(
            LongtakeException.class,
            e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKSUM_MISMATCH));
  }

  @Test
  void shouldLeaveAllAsItIsWhenAnotherCoordinatorMayLead() throws Exception {
    artifacts.writeState("job", 1, state(2));
    artifacts.writeTail("job", StoredTail.newBuilder().setSegmentsDone(1).build());
    Path video = Files.writeString(artifacts.video("job"), "the next leader's");
    isLeading = false;

    artifacts.writeState("job", 1, state(3));
    artifacts.deleteVideo("job");
    artifacts.deleteOutputs("job");
    artifacts.deleteTailsBefore("job", 9);
    artifacts.deleteWork("job");
    artifacts.retainWork(Set.of());

    assertThatThrownBy(
            () -> artifacts.writeTail("job", StoredTail.newBuilder().setSegmentsDone(2).build()))
        .isInstanceOf(LongtakeException.class);
    assertThat(artifacts.readTail("job", 1)).isPresent();
    assertThatThrownBy(artifacts::requireLeading)
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.NOT_LEADER));
    assertThat(artifacts.latestState("job", 1)).hasValue(state(2));
    assertThat(artifacts.readPrompt("job")).isEqualTo(PROMPT);
    assertThat(video).exists();
  }

  @Test
  void shouldDeleteTheWorkOfJobsThatAreGone() throws Exception {
    artifacts.writePrompt("gone", PROMPT);

    artifacts.retainWork(Set.of("job"));

    assertThat(folder.resolve("jobs/gone")).doesNotExist();
    assertThat(artifacts.readPrompt("job")).isEqualTo(PROMPT);
    artifacts.deleteWork("job");
    assertThat(folder.resolve("jobs")).isEmptyDirectory();
  }
}
