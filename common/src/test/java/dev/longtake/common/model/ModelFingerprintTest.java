package dev.longtake.common.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ModelFingerprintTest {
  @TempDir Path folder;

  @Test
  void shouldBeEqualWhenFolderIsElsewhere() throws IOException {
    copyDemo();

    assertThat(fingerprint(folder))
        .matches("[0-9a-f]{64}")
        .isEqualTo(fingerprint(ModelFolderTest.DEMO));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "model_index.json",
        "dit/config.json",
        "dit/model.safetensors",
        "text_encoder/config.json",
        "text_encoder/tokenizer.json",
        "text_encoder/model.onnx",
        "vae/config.json",
        "vae/decoder.onnx",
        "vae/encoder.onnx"
      })
  void shouldDifferWhenAnyFileDiffers(String file) throws IOException {
    copyDemo();
    Files.writeString(folder.resolve(file), " ", StandardOpenOption.APPEND);

    assertThat(fingerprint(folder)).isNotEqualTo(fingerprint(ModelFolderTest.DEMO));
  }

  @Test
  void shouldDifferWhenNetworkKeepsOtherWeightsBesideIt() throws IOException {
    copyDemo();
    Path beside = folder.resolve("vae/decoder.onnx.data");
    Files.writeString(beside, "1");
    String one = fingerprint(folder);
    Files.writeString(beside, "2");

    assertThat(fingerprint(folder)).isNotEqualTo(one);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "text_encoder/config.json",
        "text_encoder/tokenizer.json",
        "text_encoder/model.onnx",
      })
  void shouldBeAnotherTextEncoderWhenAnyOfItsFilesDiffers(String file) throws IOException {
    copyDemo();
    String before = ModelFingerprint.of(ModelFolder.open(folder)).textEncoder();
    Files.writeString(folder.resolve(file), " ", StandardOpenOption.APPEND);

    assertThat(ModelFingerprint.of(ModelFolder.open(folder)).textEncoder())
        .matches("[0-9a-f]{64}")
        .isNotEqualTo(before);
  }

  @Test
  void shouldBeTheSameTextEncoderWhenTheTransformerDiffers() throws IOException {
    copyDemo();
    String before = ModelFingerprint.of(ModelFolder.open(folder)).textEncoder();
    Files.writeString(folder.resolve("dit/config.json"), " ", StandardOpenOption.APPEND);

    assertThat(ModelFingerprint.of(ModelFolder.open(folder)).textEncoder()).isEqualTo(before);
  }

  @Test
  void shouldStayEqualWhenUnusedFileChanges() throws IOException {
    copyDemo();
    Files.writeString(folder.resolve("README.md"), "changed");

    assertThat(fingerprint(folder)).isEqualTo(fingerprint(ModelFolderTest.DEMO));
  }

  @Test
  void shouldDifferWhenBytesMoveToNextFile() throws IOException {
    String[] prints = new String[2];
    for (int i = 0; i < 2; i++) {
      Path bare = Files.createDirectory(folder.resolve("bare" + i));
      Files.writeString(bare.resolve("config.json"), "{\"model_type\":\"M\"}" + " ".repeat(i));
      Files.writeString(bare.resolve("model.safetensors"), " ".repeat(1 - i));
      prints[i] = fingerprint(bare);
    }

    assertThat(prints[0]).isNotEqualTo(prints[1]);
  }

  @Test
  void shouldDifferWhenAShardDiffers() throws IOException {
    Files.writeString(folder.resolve("config.json"), "{\"model_type\":\"M\"}");
    Files.writeString(
        folder.resolve("model.safetensors.index.json"),
        "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}");
    Files.writeString(folder.resolve("1.safetensors"), "1");
    Files.writeString(folder.resolve("2.safetensors"), "2");
    String one = fingerprint(folder);
    Files.writeString(folder.resolve("2.safetensors"), "3");

    assertThat(fingerprint(folder)).isNotEqualTo(one);
  }

  @Test
  void shouldLookAtTheWeightsOnlyWhenTheyAreAlone() throws IOException {
    Path file = Files.writeString(folder.resolve("a.pt"), "1");
    String one = fingerprint(file);
    Files.writeString(folder.resolve("model_index.json"), "{}");

    assertThat(fingerprint(file)).isEqualTo(one);
    Files.writeString(file, "2");
    assertThat(fingerprint(file)).isNotEqualTo(one);
  }

  private static String fingerprint(Path root) {
    return ModelFingerprint.of(ModelFolder.open(root)).model();
  }

  private void copyDemo() throws IOException {
    for (String part : List.of("dit", "text_encoder", "vae")) {
      Files.createDirectory(folder.resolve(part));
      try (Stream<Path> files = Files.list(ModelFolderTest.DEMO.resolve(part))) {
        for (Path file : files.toList()) {
          Files.copy(file, folder.resolve(part).resolve(file.getFileName().toString()));
        }
      }
    }
    Files.copy(
        ModelFolderTest.DEMO.resolve("model_index.json"), folder.resolve("model_index.json"));
  }
}
