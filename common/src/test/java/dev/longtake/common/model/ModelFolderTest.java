package dev.longtake.common.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelLimits.IntLimit;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class ModelFolderTest {
  static final Path DEMO = Path.of(System.getProperty("longtake.root", ""), "ops", "demo-model");

  @TempDir Path folder;

  @Test
  void shouldFindEverythingWhenFolderIsWhole() {
    ModelFolder model = ModelFolder.open(DEMO);

    assertThat(model.name()).isEqualTo("shapes-stdit3-tiny");
    assertThat(model.dit().architecture()).isEqualTo("STDiT3");
    assertThat(model.dit().requireInt("hidden_size")).isEqualTo(128);
    assertThat(model.dit().requireIntList("patch_size")).containsExactly(1, 2, 2);
    assertThat(model.dit().booleanOr("qk_norm", /* fallback= */ false)).isTrue();
    assertThat(model.dit().doubleOr("mlp_ratio", 0)).isEqualTo(4);
    assertThat(model.dit().intOr("no_such_key", 5)).isEqualTo(5);
    assertThat(model.ditWeights()).exists();
    assertThat(model.textEncoder())
        .hasValueSatisfying(files -> {
          assertThat(files.tokenizer()).exists();
          assertThat(files.onnx()).exists();
          assertThat(files.padTokenId()).isZero();
        });
    assertThat(model.vae())
        .hasValueSatisfying(files -> {
          assertThat(files.decoderOnnx()).exists();
          assertThat(files.scale()).containsExactly(3.9414f, 5.0246f, 4.1021f, 3.2042f);
          assertThat(files.shift()).containsExactly(0.1169f, -0.4831f, 0.0138f, -0.2439f);
        });
    assertThat(model.defaults())
        .isEqualTo(
            new ModelDefaults(
                16,
                64,
                64,
                8,
                30,
                SamplerKind.RFLOW,
                3,
                /* guidedChannels= */ 0,
                /* timestepTransform= */ false,
                1000,
                8,
                1,
                4,
                32,
                8));
    assertThat(model.limits())
        .isEqualTo(
            new ModelLimits(
                new IntLimit(32, 256, 16), new IntLimit(32, 256, 16), new IntLimit(1, 64, 1)));
  }

  @Test
  void shouldTakeTransformerAloneWhenThereIsNoIndex() throws IOException {
    write(
        "config.json",
        "{'in_channels':5,'input_size':[null],'model_max_length':12,'source':{'class':'STDiT3'}}");
    write("weights.safetensors", "");

    ModelFolder model = ModelFolder.open(folder);

    assertThat(model.name()).isEqualTo(folder.getFileName().toString());
    assertThat(model.dit().architecture()).isEqualTo("STDiT3");
    assertThat(model.ditWeights()).isEqualTo(folder.resolve("weights.safetensors"));
    assertThat(model.textEncoder()).isEmpty();
    assertThat(model.vae()).isEmpty();
    assertThat(model.defaults().latentChannels()).isEqualTo(5);
    assertThat(model.defaults().maxTextTokens()).isEqualTo(12);
    assertThat(model.limits().height()).hasToString("8 to 2048 in multiples of 8");
    assertThat(model.limits().frames()).hasToString("1 to 1024");
  }

  @Test
  void shouldFollowTheWeightsWhenConfigNamesThem() throws IOException {
    Path case1 = Files.createDirectory(folder.resolve("sampler"));
    write(
        "sampler/config.json",
        "{'model':{'model_type':'M','depth':2},'weights':'../w.safetensors'}");
    assertInvalid(() -> ModelFolder.open(case1)).hasMessageContaining("w.safetensors");
    write("w.safetensors", "");

    ModelFolder model = ModelFolder.open(case1);

    assertThat(model.ditWeights()).isEqualTo(folder.resolve("w.safetensors"));
    assertThat(model.dit().requireInt("depth")).isEqualTo(2);
    assertInvalid(() -> model.dit().requireInt("hidden"))
        .hasMessageContaining("\"model.hidden\" in " + case1.resolve("config.json"));
  }

  @ParameterizedTest
  @CsvSource({
    "weights.safetensors,                            model.safetensors",
    "model.safetensors,                              model.safetensors.index.json",
    "model.safetensors.index.json,                   model-00001-of-00002.safetensors",
    "diffusion_pytorch_model.safetensors,            diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.safetensors.index.json, diffusion_pytorch_model-1.safetensors",
    "Open_Sora_v2.safetensors,                       optimizer.bin",
    "Big.safetensors.index.json,                     Big-1.safetensors",
    "PixArt-XL-2-512x512.pth,                        readme.txt",
    "DiT-XL-2-256x256.pt,                            readme.txt",
    "pytorch_model.bin,                              training_args.bin",
  })
  void shouldFindWeightsByTheirUsualNames(String weights, String other) throws IOException {
    write("config.json", "{'_class_name':'PixArtTransformer2DModel'}");
    write(weights, "");
    write(other, "");

    ModelFolder model = ModelFolder.open(folder);

    assertThat(model.ditWeights()).isEqualTo(folder.resolve(weights));
    assertThat(model.dit().architecture()).isEqualTo("PixArtTransformer2DModel");
  }

  @Test
  void shouldNameThemWhenSeveralFilesMayBeWeights() throws IOException {
    write("config.json", "{'model_type':'DiT'}");
    write("b.pt", "");
    write("a.pth", "");
    assertInvalid(() -> ModelFolder.open(folder))
        .hasMessageContaining("one file with weights in " + folder)
        .hasMessageContaining("there are 2: \"a.pth\", \"b.pt\"");
  }

  @Test
  void shouldTakeTheTransformerWhenFolderIsOfDiffusers() throws IOException {
    Files.createDirectory(folder.resolve("transformer"));
    write(
        "model_index.json",
        "{'_class_name':'PixArtAlphaPipeline','transformer':['diffusers','PixArtTransformer2DModel']}");
    assertInvalid(() -> ModelFolder.open(folder)).hasMessageContaining("transformer");
    write("transformer/config.json", "{'_class_name':'PixArtTransformer2DModel','in_channels':4}");
    assertInvalid(() -> ModelFolder.open(folder)).hasMessageContaining("complete the model folder");
    write("transformer/diffusion_pytorch_model.safetensors", "");

    ModelFolder model = ModelFolder.open(folder);

    assertThat(model.name()).isEqualTo(folder.getFileName().toString());
    assertThat(model.dit().architecture()).isEqualTo("PixArtTransformer2DModel");
    assertThat(model.ditWeights())
        .isEqualTo(folder.resolve("transformer/diffusion_pytorch_model.safetensors"));
    assertThat(model.vae()).isEmpty();
  }

  @Test
  void shouldTakeWeightsWithoutConfigWhenTheyAreAlone() throws IOException {
    write("DiT-XL-2-256x256.pt", "");
    Path file = folder.resolve("DiT-XL-2-256x256.pt");

    ModelFolder model = ModelFolder.open(file);

    assertThat(model.dit().isAbsent()).isTrue();
    assertThat(model.dit().architecture()).isEmpty();
    assertThat(model.dit().has("hidden_size")).isFalse();
    assertInvalid(() -> model.dit().requireInt("hidden_size"))
        .hasMessageContaining(file.toString());
    assertThat(model.ditWeights()).isEqualTo(file);
    assertThat(model.name()).isEqualTo("DiT-XL-2-256x256.pt");
    assertThat(model.root()).isEqualTo(folder);
    assertThat(ModelFolder.open(folder).dit().isAbsent()).isTrue();
    assertThat(ModelFolder.open(folder).ditWeights()).isEqualTo(file);
  }

  @Test
  void shouldRefuseWhenFolderHoldsNoModel() throws IOException {
    assertInvalid(() -> ModelFolder.open(folder.resolve("none")))
        .hasMessageContaining("there is nothing");
    assertInvalid(() -> ModelFolder.open(folder)).hasMessageContaining("it has neither");
    write("config.json", "{'model_type':'M'}");
    assertInvalid(() -> ModelFolder.open(folder))
        .hasMessageContaining("Expected weights.safetensors or model.safetensors in " + folder);
    assertInvalid(() -> ModelFolder.open(folder.resolve("config.json")))
        .hasMessageContaining("there is a file");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "[]",
        "{",
        "{'a':1} 2",
        "{a:1}",
        "null",
        "{'model_type':'M','x':NaN}",
        "{'a':1}",
        "{'model_type':3}",
        "{'architectures':'M'}",
        "{'architectures':[]}",
        "{'model_type':''}",
        "\u00ff"
      })
  void shouldRefuseWhenConfigIsMalformed(String text) throws IOException {
    write("weights.safetensors", "");
    Path config = folder.resolve("config.json");
    Files.write(config, text.replace('\'', '"').getBytes(StandardCharsets.ISO_8859_1));

    assertInvalid(() -> ModelFolder.open(folder)).hasMessageContaining(config.toString());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "name                   | null                     | a string as \"name\"",
        "name                   | 3                        | a string as \"name\"",
        "dit                    | null                     | an object as \"dit\"",
        "dit.weights            | null                     | a string as \"dit.weights\"",
        "dit.weights            | \"dit/none.safetensors\" | there is none",
        "dit.weights            | \"dit\"                  | there is a folder",
        "dit.weights            | \"../outside\"           | inside the model folder",
        "dit.weights            | \"/etc/hostname\"        | inside the model folder",
        "dit.weights            | \"a\\u0000b\"            | a path",
        "text_encoder.onnx      | null                     | \"text_encoder.onnx\"",
        "text_encoder.tokenizer | \"none.json\"            | none.json",
        "vae.decoder_onnx       | 1                        | \"vae.decoder_onnx\"",
        "vae.encoder_onnx       | 1                        | \"vae.encoder_onnx\"",
        "shift                  | null                     | a list of finite numbers as \"shift\"",
        "shift                  | [1, 2, 3]                | 4 numbers, one per latent channel",
        "scale                  | [1, 2, 3, \"4\"]         | a list of finite numbers",
        "scale                  | [1, 2, 3, 1e999]         | a list of finite numbers",
        "latent_channels        | 5                        | the in_channels of",
        "height                 | 64.5                     | an integer of 32 bits",
        "height                 | 1e400000000              | an integer of 32 bits",
        "height                 | 0                        | at least 1",
        "height                 | 72                       | 32 to 256 in multiples of 16",
        "num_frames             | 65                       | 1 to 64",
        "fps                    | 0                        | a number above 0",
        "cfg_scale              | \"3\"                    | a finite number",
        "use_timestep_transform | 0                        | true or false",
        "scheduler              | \"euler\"                | one of rflow",
        "limits                 | [1]                      | an object as \"limits\"",
        "limits.width           | null                     | \"limits.width\"",
        "limits.width.min       | 300                      | at least 300 as \"limits.width.max\"",
        "limits.width.multiple_of | 12                     | a multiple of 8",
      })
  void shouldNameKeyAndFileWhenIndexIsWrong(String key, String value, String message)
      throws IOException {
    copyDemo();
    Path file = folder.resolve("model_index.json");
    JsonObject index = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
    set(index, List.of(key.split("\\.", -1)), JsonParser.parseString(value));
    Files.writeString(file, index.toString());

    assertInvalid(() -> ModelFolder.open(folder))
        .hasMessageContaining(message)
        .hasMessageContaining(folder.toString());
  }

  @Test
  void shouldUseDefaultLimitsWhenIndexHasNone() throws IOException {
    copyDemo();
    Path file = folder.resolve("model_index.json");
    JsonObject index = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
    index.remove("limits");
    index.remove("vae");
    index.remove("text_encoder");
    Files.writeString(file, index.toString());

    ModelFolder model = ModelFolder.open(folder);

    assertThat(model.limits().width()).isEqualTo(new IntLimit(8, 2048, 8));
    assertThat(model.limits().width().allows(2056)).isFalse();
    assertThat(model.limits().width().allows(72)).isTrue();
    assertThat(model.limits().width().allows(73)).isFalse();
    assertThat(model.vae()).isEmpty();
    assertThat(model.textEncoder()).isEmpty();
  }

  @Test
  void shouldNameKeyWhenConfigValueHasWrongType() {
    Path file = Path.of("some", "config.json");
    DitConfig config =
        DitConfig.of(
            file,
            JsonParser.parseString(
                    "{\"model_type\":\"M\",\"a\":\"x\\ny\",\"b\":[1,2.5],\"n\":null,\"i\":3000000000}")
                .getAsJsonObject());

    assertInvalid(() -> config.requireInt("a"))
        .hasMessage(
            "Expected an integer of 32 bits as \"a\" in %s, but found \"x\\ny\"; correct the file",
            file);
    assertInvalid(() -> config.intOr("i", 1)).hasMessageContaining("3000000000");
    assertInvalid(() -> config.doubleOr("a", 1)).hasMessageContaining("a finite number as \"a\"");
    assertInvalid(() -> config.booleanOr("a", /* fallback= */ true))
        .hasMessageContaining("true or false as \"a\"");
    assertInvalid(() -> config.requireIntList("b")).hasMessageContaining("[1,2.5]");
    assertInvalid(() -> config.requireInt("n")).hasMessageContaining("\"n\"");
    assertThat(config.intOr("n", 7)).isEqualTo(7);
    assertThat(config.has("n")).isFalse();
    assertThat(config.has("b")).isTrue();
  }

  private static void set(JsonObject object, List<String> path, JsonElement value) {
    String key = path.getFirst();
    if (path.size() > 1) {
      set(object.getAsJsonObject(key), path.subList(1, path.size()), value);
    } else if (value instanceof JsonNull) {
      object.remove(key);
    } else {
      object.add(key, value);
    }
  }

  private void copyDemo() throws IOException {
    for (String file :
        List.of(
            "model_index.json",
            "dit/config.json",
            "text_encoder/config.json",
            "text_encoder/tokenizer.json",
            "vae/config.json")) {
      Files.createDirectories(folder.resolve(file).getParent());
      Files.copy(DEMO.resolve(file), folder.resolve(file));
    }
    write("dit/model.safetensors", "");
    write("text_encoder/model.onnx", "");
    write("vae/decoder.onnx", "");
    write("vae/encoder.onnx", "");
  }

  private void write(String file, String json) throws IOException {
    Files.writeString(folder.resolve(file), json.replace('\'', '"'));
  }

  private static AbstractThrowableAssert<?, ? extends Throwable> assertInvalid(
      ThrowingCallable call) {
    return assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            LongtakeException.class,
            e -> {
              assertThat(e.code()).isEqualTo(ErrorCode.INVALID_MODEL);
              assertThat(e.getMessage()).startsWith("Expected ").contains(", but ").hasLineCount(1);
            });
  }
}
