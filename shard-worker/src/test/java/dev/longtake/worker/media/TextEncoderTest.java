package dev.longtake.worker.media;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonParser;
import dev.longtake.common.checkpoint.SafetensorsFile;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.model.TextEncoderFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class TextEncoderTest {
  private static final int MAX_TOKENS = 32;
  private static final int CHANNELS = 64;
  private static final String PROMPT = "a red circle moving right on a black background";
  private static final int UNKNOWN_ID = 2;
  private static final int END_ID = 1;

  private TextEncoder encoder;

  @BeforeAll
  void openEncoder() {
    encoder = TextEncoder.open(DemoModel.folder(), 1);
  }

  @AfterAll
  void closeEncoder() {
    encoder.close();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "red_circle_right",
        "red_circle_right_extended",
        "yellow_star_growing",
        "green_triangle_bouncing"
      })
  void shouldGiveReferenceEmbeddingWhenPromptIsReference(String name) {
    try (SafetensorsFile reference = DemoModel.reference(name)) {
      String prompt = reference.metadata().getOrDefault("prompt", "");
      int tokens = (int) Arrays.stream(DemoModel.longs(reference, "attention_mask")).sum();
      long[] ids = DemoModel.longs(reference, "input_ids");
      float[] embedding = DemoModel.floats(reference, "text_embedding", 1, MAX_TOKENS, CHANNELS);

      EncodedText encoded = encoder.encode(prompt);

      assertThat(encoded.tokens()).isEqualTo(tokens).isPositive();
      assertThat(encoded.channels()).isEqualTo(CHANNELS);
      assertThat(Arrays.stream(encoded.tokenIds()).asLongStream().toArray())
          .isEqualTo(Arrays.copyOf(ids, tokens));
      assertThat(encoded.embedding())
          .containsExactly(Arrays.copyOf(embedding, tokens * CHANNELS), within(1e-4f));
    }
  }

  @Test
  void shouldGiveEqualBytesWhenRepeatedOnSeveralThreads() throws Exception {
    float[] expected = encoder.encode(PROMPT).embedding();
    try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
      List<Future<EncodedText>> calls =
          threads.invokeAll(Collections.nCopies(16, () -> encoder.encode(PROMPT)));
      for (Future<EncodedText> call : calls) {
        assertThat(call.get().embedding()).isEqualTo(expected);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "\n\t", "\u2003"})
  void shouldRefuseWhenPromptIsBlank(String prompt) {
    assertRefused(prompt).hasMessageContaining("it is empty");
  }

  @Test
  void shouldSayHowManyTokensAreAllowedWhenPromptIsTooLong() {
    String longest = "red ".repeat(MAX_TOKENS - 1);

    assertThat(encoder.encode(longest).tokens()).isEqualTo(MAX_TOKENS);
    assertRefused(longest + "red").hasMessageContaining("at most 32").hasMessageContaining("33");
    assertRefused("red ".repeat(1000)).hasMessageContaining("it has 1001");
  }

  @Test
  void shouldUseUnknownTokenWhenWordsAreUnknown() {
    int[] ids = encoder.encode("A RED Zeppelin; \uD83D\uDE80 \u0000!").tokenIds();

    assertThat(ids).hasSize(7).endsWith(END_ID);
    assertThat(Arrays.copyOfRange(ids, 2, 6)).containsOnly(UNKNOWN_ID);
    assertThat(Arrays.copyOf(ids, 2))
        .isEqualTo(Arrays.copyOf(encoder.encode("a red").tokenIds(), 2));
  }

  @ParameterizedTest
  @ValueSource(ints = {0xD83D, 0xDE80})
  void shouldRefuseWhenPromptHasHalfACharacter(int unit) {
    assertRefused("red " + (char) unit + " circle").hasMessageContaining("half a surrogate");
  }

  @Test
  void shouldRefuseWhenFolderHasNoTextEncoder() {
    assertInvalid(withFiles(Optional.empty())).hasMessageContaining("it has none");
  }

  @Test
  void shouldRefuseWhenFilesAreDamaged(@TempDir Path folder) throws IOException {
    TextEncoderFiles good = DemoModel.folder().textEncoder().orElseThrow();
    Path damaged = Files.writeString(folder.resolve("damaged"), "{}");

    assertInvalid(
            withFiles(Optional.of(new TextEncoderFiles(damaged, good.onnx(), good.config(), 0))))
        .hasMessageContaining(damaged.toString());
    assertInvalid(
            withFiles(
                Optional.of(new TextEncoderFiles(good.tokenizer(), damaged, good.config(), 0))))
        .hasMessageContaining(damaged.toString());
    Path otherNetwork = DemoModel.folder().vae().orElseThrow().decoderOnnx();
    assertInvalid(
            withFiles(
                Optional.of(
                    new TextEncoderFiles(good.tokenizer(), otherNetwork, good.config(), 0))))
        .hasMessageContaining("latent_sample");
  }

  @Test
  void shouldNotCutOrPadWhenTokenizerSaysSo(@TempDir Path folder) throws IOException {
    TextEncoderFiles good = DemoModel.folder().textEncoder().orElseThrow();
    var json = JsonParser.parseString(Files.readString(good.tokenizer())).getAsJsonObject();
    json.add(
        "truncation",
        JsonParser.parseString(
            "{\"direction\":\"Right\",\"max_length\":4,\"strategy\":\"LongestFirst\",\"stride\":0}"));
    json.add(
        "padding",
        JsonParser.parseString(
            "{\"strategy\":{\"Fixed\":12},\"direction\":\"Right\",\"pad_to_multiple_of\":null,\"pad_id\":0,\"pad_type_id\":0,\"pad_token\":\"<pad>\"}"));
    Path tokenizer = Files.writeString(folder.resolve("tokenizer.json"), json.toString());

    try (TextEncoder eager =
        TextEncoder.open(
            withFiles(Optional.of(new TextEncoderFiles(tokenizer, good.onnx(), good.config(), 0))),
            1)) {
      assertThat(eager.encode(PROMPT)).usingRecursiveComparison().isEqualTo(encoder.encode(PROMPT));
    }
  }

  private static ModelFolder withFiles(Optional<TextEncoderFiles> files) {
    ModelFolder demo = DemoModel.folder();
    return new ModelFolder(
        demo.root(),
        demo.name(),
        demo.dit(),
        demo.ditWeights(),
        files,
        demo.vae(),
        demo.defaults(),
        demo.limits());
  }

  private AbstractThrowableAssert<?, ? extends Throwable> assertRefused(String prompt) {
    return assertThatThrownBy(() -> encoder.encode(prompt))
        .isInstanceOfSatisfying(
            LongtakeException.class,
            e -> {
              assertThat(e.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
              assertThat(e.field()).contains("prompt");
              assertThat(e.getMessage()).startsWith("Expected ").contains(", but ").hasLineCount(1);
            });
  }

  private static AbstractThrowableAssert<?, ? extends Throwable> assertInvalid(ModelFolder model) {
    return assertThatThrownBy(() -> TextEncoder.open(model, 1).close())
        .isInstanceOfSatisfying(
            LongtakeException.class,
            e -> {
              assertThat(e.code()).isEqualTo(ErrorCode.INVALID_MODEL);
              assertThat(e.getMessage()).startsWith("Expected ").contains(", but ").hasLineCount(1);
            });
  }
}
