package dev.longtake.worker.inspect;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.longtake.common.checkpoint.SafetensorsFile;
import dev.longtake.common.checkpoint.SafetensorsWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

class InspectCommandTest {
  private static final String TENSOR = "blocks.1.mlp.fc1.weight";

  @TempDir Path folder = Path.of("");

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int run(Object... arguments) {
    String[] texts = new String[arguments.length];
    for (int i = 0; i < texts.length; i++) {
      texts[i] = arguments[i].toString();
    }
    return new CommandLine(new InspectCommand())
        .setOut(new PrintWriter(out))
        .setErr(new PrintWriter(err))
        .execute(texts);
  }

  private JsonObject json() {
    return JsonParser.parseString(out.toString()).getAsJsonObject();
  }

  private static Path golden(String name) {
    try {
      return Path.of(
          Objects.requireNonNull(InspectCommandTest.class.getResource("/golden/" + name), name)
              .toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  /** A folder with a case's configuration. */
  private Path withConfig(String golden) throws IOException {
    Files.copy(golden(golden).resolve("config.json"), folder.resolve("config.json"));
    return folder;
  }

  /** Some of a case's tensors as a file. */
  private static void write(Path file, String golden, Predicate<String> kept) throws IOException {
    try (SafetensorsFile all =
        SafetensorsFile.open(golden(golden).resolve("weights.safetensors"))) {
      SafetensorsWriter writer = new SafetensorsWriter();
      for (String name : all.names()) {
        var info = all.info(name).orElseThrow();
        if (kept.test(name)) {
          writer.add(name, info.dtype(), info.shape(), all.bytes(name));
        }
      }
      writer.write(file);
    }
  }

  private void assertRefused(Path model, String... parts) {
    assertThat(run(model)).as("%s%s", out, err).isEqualTo(2);
    assertThat(out.toString()).isEmpty();
    assertThat(err.toString())
        .startsWith("longtake inspect: Expected ")
        .contains(parts)
        .doesNotContain("\tat ")
        .hasLineCount(1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "dit_label_2d",
        "march_token_concat",
        "stdit_v1",
        "stdit_v2",
        "stdit_v3",
        "pixart",
        "pixart_sigma",
        "pixart_alpha_ms",
        "dit3d_text_latte",
        "latte_label",
        "latte_text",
        "diffusers_dit",
        "diffusers_latte",
        "diffusers_pixart_alpha",
        "mmdit_v2_flux_fused",
        "mmdit_v2_liger_unfused"
      })
  void shouldCallEveryCaseComplete(String golden) {
    assertThat(run(golden(golden), "--workers", 3, "--json")).as("%s", err).isZero();

    assertThat(err.toString()).isEmpty();
    assertThat(json().get("complete").getAsBoolean()).isTrue();
    assertThat(json().get("memory_per_worker").getAsJsonArray()).hasSize(3);
    long parts = 0;
    for (var group : json().get("parameter_groups").getAsJsonArray()) {
      parts += group.getAsJsonObject().get("parameters").getAsLong();
    }
    assertThat(json().get("parameters").getAsLong()).isEqualTo(parts).isPositive();
  }

  @Test
  void shouldDescribeTheModelForPeople() {
    assertThat(run(golden("stdit_v1"))).isZero();

    assertThat(out.toString())
        .contains(
            "STDiT (Open-Sora 1.0), class STDiT, recognised by config.json",
            "timestep; up to 9 text tokens of 32 channels",
            "hidden 48, 2 blocks, 4 heads of 12, MLP 192, patch 1x2x2, latent channels 4, predicted"
                + " 8",
            "the original's names, safetensors, 1 file weights.safetensors",
            "blocks 0-1",
            "final_layer",
            "positions    pos_embed agrees with the computed positions",
            "a stored position table",
            "verdict      complete");
  }

  @Test
  void shouldCountTheParametersOfEachRange() {
    run(golden("stdit_v3_hd72"), "--json");
    // One pair of blocks: attention 4 C^2, cross-attention 4 C^2, an MLP of C / 2, biases, norms,
    // table.
    long c = 144;
    long block = (4 * c * c + 4 * c + 2 * 72) + (4 * c * c + 4 * c) + (c * c + c / 2 + c) + 6 * c;

    assertThat(json().get("parameter_groups").getAsJsonArray().get(1).getAsJsonObject())
        .satisfies(group -> {
          assertThat(group.get("name").getAsString()).isEqualTo("spatial_blocks 0");
          assertThat(group.get("parameters").getAsLong()).isEqualTo(block);
        });
  }

  @ParameterizedTest
  @CsvSource({"f32, 4", "bf16, 2"})
  void shouldNeedLessMemoryWithMoreWorkersAndSmallerTypes(String precision, int bytes) {
    run(golden("stdit_v3"), "--frames", 12, "--precision", precision, "--json");
    JsonObject one = json().get("memory_per_worker").getAsJsonArray().get(0).getAsJsonObject();
    out.getBuffer().setLength(0);
    run(golden("stdit_v3"), "--frames", 12, "--precision", precision, "--json", "--workers", 8);
    JsonObject eight = json().get("memory_per_worker").getAsJsonArray().get(0).getAsJsonObject();

    assertThat(eight.get("activationBytes").getAsLong())
        .isLessThan(one.get("activationBytes").getAsLong() / 2);
    assertThat(eight.get("weightBytes")).isEqualTo(one.get("weightBytes"));
    // Without the keys and values of the text.
    long blocks = 4 * (6L * 48 * 48 + 2 * 48 * 192) * bytes;
    assertThat(one.get("weightBytes").getAsLong()).isBetween(blocks, 2 * blocks);
  }

  @Test
  void shouldReadShardsByTheirIndex() throws IOException {
    Path model = withConfig("stdit_v3");
    write(model.resolve("a.safetensors"), "stdit_v3", name -> name.startsWith("spatial"));
    write(model.resolve("b.safetensors"), "stdit_v3", name -> !name.startsWith("spatial"));
    JsonObject map = new JsonObject();
    for (String shard : new String[] {"a.safetensors", "b.safetensors"}) {
      try (SafetensorsFile file = SafetensorsFile.open(model.resolve(shard))) {
        file.names().forEach(name -> map.addProperty(name, shard));
      }
    }
    JsonObject index = new JsonObject();
    index.add("weight_map", map);
    Path file = model.resolve("model.safetensors.index.json");
    Files.writeString(file, index.toString());

    assertThat(run(model)).as("%s", err).isZero();
    assertThat(out.toString()).contains("2 files by model.safetensors.index.json");

    out.getBuffer().setLength(0);
    Files.delete(model.resolve("b.safetensors"));
    assertRefused(model, file.toString(), "\"b.safetensors\"");
  }

  @Test
  void shouldReadAFileOfPytorch() throws IOException {
    Path model = withConfig("march_adaln");
    try (SafetensorsFile weights =
        SafetensorsFile.open(golden("march_adaln").resolve("weights.safetensors"))) {
      TorchFile.write(model.resolve("epoch1.pth"), weights);
    }

    assertThat(run(model)).as("%s", err).isZero();

    assertThat(out.toString()).contains("PyTorch, 1 file epoch1.pth", "DiT adaln");
  }

  @Test
  void shouldTakeTheTransformerOfADiffusersFolder() throws IOException {
    Path transformer = Files.createDirectory(folder.resolve("transformer"));
    Files.writeString(
        folder.resolve("model_index.json"), "{\"_class_name\": \"PixArtAlphaPipeline\"}");
    Path golden = golden("diffusers_pixart_alpha");
    Files.copy(golden.resolve("config.json"), transformer.resolve("config.json"));
    Files.copy(
        golden.resolve("weights.safetensors"),
        transformer.resolve("diffusion_pytorch_model.safetensors"));

    assertThat(run(folder)).as("%s", err).isZero();

    assertThat(out.toString()).contains("diffusers' names", "dpm-solver++", "height; width");
  }

  @Test
  void shouldRecogniseAFileByItself() throws IOException {
    Path file = folder.resolve("w.safetensors");
    write(file, "pixart_sigma", _ -> true);

    assertThat(run(file)).as("%s", err).isZero();

    assertThat(out.toString()).contains("PixArt, class PixArt_Sigma, recognised by its tensors");
  }

  @Test
  void shouldListWhatIsMissingAndUnknown() throws IOException {
    Path model = withConfig("stdit_v1");
    Path weights = model.resolve("weights.safetensors");
    write(weights, "stdit_v1", name -> !name.equals(TENSOR));

    assertThat(run(model)).isEqualTo(1);
    assertThat(out.toString()).contains("missing      " + TENSOR, "not to be run");
    assertThat(err.toString()).contains(weights + " lacks the tensor " + TENSOR).hasLineCount(1);

    Files.copy(
        golden("stdit_v2").resolve("weights.safetensors"),
        weights,
        java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    assertThat(run(model)).isEqualTo(1);
    assertThat(out.toString()).contains("unknown      blocks.0.attn.k_norm.weight", "and ");
    assertThat(err.toString()).contains(weights.toString(), "which no STDiT has");
  }

  @Test
  void shouldSayThatAScaleIsNotTheWeights() throws IOException {
    String config = Files.readString(golden("stdit_v1").resolve("config.json"));
    Files.writeString(folder.resolve("config.json"), config.replace("0.5", "1.0"));
    write(folder.resolve("weights.safetensors"), "stdit_v1", _ -> true);

    assertThat(run(folder)).isEqualTo(1);

    assertThat(err.toString()).contains("pos_embed in ", "differs").hasLineCount(1);
  }

  @Test
  void shouldRefuseDamagedFilesInOneLine() throws IOException {
    Path model = withConfig("stdit_v1");
    Path weights = model.resolve("weights.safetensors");
    byte[] whole = Files.readAllBytes(golden("stdit_v1").resolve("weights.safetensors"));

    Files.write(weights, java.util.Arrays.copyOf(whole, whole.length - 100));
    assertRefused(model, weights.toString());
    err.getBuffer().setLength(0);

    byte[] forged = whole.clone();
    ByteBuffer.wrap(forged).order(ByteOrder.LITTLE_ENDIAN).putLong(0, Long.MAX_VALUE);
    Files.write(weights, forged);
    assertRefused(model, weights.toString());
    err.getBuffer().setLength(0);

    String header =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
            + "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}";
    Files.write(weights, safetensors(header, 12));
    assertRefused(model, weights.toString());
    err.getBuffer().setLength(0);

    String huge =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,8]}}";
    Files.write(weights, safetensors(huge, 8));
    assertRefused(model, weights.toString(), "\"a\"");
  }

  private static byte[] safetensors(String header, int dataBytes) {
    byte[] text = header.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(8 + text.length + dataBytes)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(text.length)
        .put(text)
        .array();
  }

  @Test
  void shouldRefuseAPickleThatCallsAFunction() throws IOException {
    Path file = TorchFile.writeCall(folder.resolve("w.pth"));

    assertRefused(file, file.toString(), "os", "system");

    assertThat(Path.of("pwned")).doesNotExist();
  }

  @Test
  void shouldSayWhatIsThereWhenItIsNoModel() throws IOException {
    assertRefused(folder.resolve("nowhere"), "nowhere");
    err.getBuffer().setLength(0);
    assertRefused(folder, folder.toString());
    err.getBuffer().setLength(0);
    Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"UNet\"}");
    write(folder.resolve("w.safetensors"), "stdit_v1", _ -> true);
    assertRefused(folder, "UNet", "config.json");
  }

  @ParameterizedTest
  @CsvSource({
    "--workers, 0",
    "--workers, 65",
    "--precision, f16",
    "--frames, 0",
    "--height, 100000",
  })
  void shouldNameTheOptionWhenItsValueIsNotAllowed(String option, String value) {
    assertThat(run(golden("stdit_v3"), option, value)).isEqualTo(2);
    assertThat(err.toString()).contains("Expected ", value).hasLineCount(1);
  }

  @Test
  void shouldRefuseAClipThatNoMachineHolds() {
    assertThat(run(golden("stdit_v3"), "--frames", 65536, "--height", 65536, "--width", 65536))
        .isEqualTo(2);
    assertThat(err.toString()).contains("tokens", "make it smaller").hasLineCount(1);
  }
}
