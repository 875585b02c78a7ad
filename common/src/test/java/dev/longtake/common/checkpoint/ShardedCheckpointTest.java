package dev.longtake.common.checkpoint;

import static dev.longtake.common.checkpoint.Invalid.assertInvalid;
import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class ShardedCheckpointTest {
  private static final String GOOD =
      "{'metadata':{'total_size':16},'weight_map':{'a':'1.safetensors','b':'2.safetensors','c':'2.safetensors'}}";

  private static final List<String> PARTS =
      List.of(
          "",
          "'",
          "{",
          "}",
          "[",
          "]",
          ",",
          ":",
          "1",
          "-",
          "null",
          "'a'",
          "'b':'1.safetensors',",
          "../",
          "..",
          "\\",
          "\\u0000",
          "\u00e4",
          "'weight_map':{}",
          ".safetensors");

  @TempDir Path folder;

  @BeforeEach
  void write() throws IOException {
    new SafetensorsWriter()
        .addF32("a", new float[] {1, 2}, 2)
        .write(folder.resolve("1.safetensors"));
    new SafetensorsWriter()
        .addF32("b", new float[] {3}, 1)
        .addF32("c", new float[] {4}, 1)
        .write(folder.resolve("2.safetensors"));
  }

  @Test
  void shouldReadFromEveryShard() throws IOException {
    Path index = index(GOOD);
    try (Checkpoint opened = Checkpoints.open(index);
        Arena arena = Arena.ofConfined()) {
      assertThat(opened.names()).containsExactly("a", "b", "c");
      assertThat(opened.f32("a", arena, 2).toArray(ValueLayout.JAVA_FLOAT)).containsExactly(1, 2);
      assertThat(opened.f32("c", arena, 1).toArray(ValueLayout.JAVA_FLOAT)).containsExactly(4);
      assertInvalid(() -> opened.bytes("d", arena), index).hasMessageContaining("\"d\"");
    }
    assertThat(ShardedCheckpoint.files(index))
        .containsExactly(folder.resolve("1.safetensors"), folder.resolve("2.safetensors"));
  }

  @Test
  void shouldReadShardsOfPyTorchToo() throws IOException {
    Files.copy(Fixtures.path("state_dict.pth"), folder.resolve("1.bin"));
    try (Checkpoint opened = Checkpoints.open(index("{'weight_map':{'x':'1.bin'}}"))) {
      assertThat(opened.names()).containsExactly("x");
    }
  }

  @Test
  void shouldNameTheShardWhenItIsDamaged() throws IOException {
    Path index = index(GOOD);
    Path shard = folder.resolve("2.safetensors");
    Files.write(shard, new byte[5]);
    assertInvalid(() -> ShardedCheckpoint.open(index), shard);
  }

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '~',
      delimiter = '|',
      value = {
        "missing shard   | ~{'weight_map':{'a':'3.safetensors'}}~      | the file \"3.safetensors\""
            + " with tensor \"a\"",
        "folder          | ~{'weight_map':{'a':'.'}}~                  | place of tensor \"a\"",
        "outside         | ~{'weight_map':{'a':'../x'}}~               | it is \"../x\"",
        "absolute        | ~{'weight_map':{'a':'/etc/hostname'}}~      | it is \"/etc/hostname\"",
        "other separator | ~{'weight_map':{'a':'..\\\\x'}}~            | place of tensor \"a\"",
        "no character    | ~{'weight_map':{'a':'\\u0000'}}~            | place of tensor \"a\"",
        "no name         | ~{'weight_map':{'a':''}}~                   | it is \"\"",
        "lacking         | ~{'weight_map':{'a':'1.safetensors','z':'1.safetensors'}}~ | a tensor"
            + " \"z\" in",
        "elsewhere       | ~{'weight_map':{'a':'1.safetensors','b':'1.safetensors'}}~ | a tensor"
            + " \"b\" in",
        "not indexed     | ~{'weight_map':{'b':'2.safetensors'}}~      | tensor \"c\" to be"
            + " \"2.safetensors\", where it is",
        "twice           | ~{'weight_map':{'a':'1.safetensors','a':'2.safetensors'}}~ | \"a\" is"
            + " there twice",
        "no map          | ~{}~                                        | there are none",
        "empty map       | ~{'weight_map':{}}~                         | there are none",
        "no strings      | ~{'weight_map':{'a':{}}}~                   | an object of strings",
        "no object       | ~[]~                                        | an object of strings",
        "no JSON         | ~{'weight_map':~                            | an object of strings",
        "nothing         | ~~                                          | an object of strings",
      })
  void shouldSayWhatIsWrongWhenIndexIs(String kind, String text, String message)
      throws IOException {
    Path index = index(text);
    assertInvalid(() -> ShardedCheckpoint.open(index), index)
        .as(kind)
        .hasMessageContaining(message);
  }

  @Test
  void shouldNameBothShardsWhenTensorIsInAnother() throws IOException {
    new SafetensorsWriter()
        .addF32("a", new float[] {1, 2}, 2)
        .addF32("b", new float[] {3}, 1)
        .write(folder.resolve("1.safetensors"));
    assertInvalid(() -> ShardedCheckpoint.open(index(GOOD)))
        .hasMessageContaining("tensor \"b\" to be \"1.safetensors\"")
        .hasMessageContaining("said to be in \"2.safetensors\"");
  }

  @Test
  void shouldTellFormatsApartByContent() throws IOException {
    Path renamed = folder.resolve("weights.safetensors");
    Files.copy(Fixtures.path("state_dict.pth"), renamed);
    try (Checkpoint opened = Checkpoints.open(renamed)) {
      assertThat(opened).isInstanceOf(PytorchFile.class);
    }
    try (Checkpoint opened = Checkpoints.open(folder.resolve("1.safetensors"))) {
      assertThat(opened).isInstanceOf(SafetensorsFile.class);
    }
    Path old = Fixtures.path("before_1_6.pt");
    assertInvalid(() -> Checkpoints.open(old), old).hasMessageContaining("PyTorch 1.6 or newer");
    assertInvalid(() -> Checkpoints.open(folder), folder).hasMessageContaining("a folder");
  }

  @Test
  void shouldReadOrRefuseWhenIndexIsDamaged() throws IOException {
    int refused = 0;
    for (long seed = 0; seed < 1500; seed++) {
      SplittableRandom random = new SplittableRandom(seed);
      StringBuilder text = new StringBuilder(GOOD);
      for (int i = random.nextInt(1, 4); i > 0; i--) {
        int at = random.nextInt(text.length());
        int end = Math.min(text.length(), at + random.nextInt(8));
        text.replace(at, end, PARTS.get(random.nextInt(PARTS.size())));
      }
      Path index = index(text.toString());
      try (Checkpoint opened = ShardedCheckpoint.open(index);
          Arena arena = Arena.ofConfined()) {
        opened
            .names()
            .forEach(name -> assertThat(opened.bytes(name, arena).byteSize()).isPositive());
      } catch (LongtakeException e) {
        assertThat(e.code()).isEqualTo(ErrorCode.INVALID_CHECKPOINT);
        assertThat(e.getMessage()).contains(folder.toString()).hasLineCount(1);
        refused++;
      } catch (RuntimeException | Error e) {
        throw new AssertionError("Expected a LongtakeException at most, with seed " + seed, e);
      }
    }

    // Some damage is harmless: in the metadata, for example.
    assertThat(refused).isBetween(750, 1499);
  }

  private Path index(String text) throws IOException {
    Path index = folder.resolve("model.safetensors.index.json");
    Files.write(index, text.replace('\'', '"').getBytes(StandardCharsets.UTF_8));
    return index;
  }
}
