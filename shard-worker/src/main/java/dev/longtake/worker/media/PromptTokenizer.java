package dev.longtake.worker.media;

import ai.djl.engine.EngineException;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.util.Utils;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** A Hugging Face {@code tokenizer.json}: text to token ids, special tokens included, neither cut nor padded. */
final class PromptTokenizer implements AutoCloseable {
  private final HuggingFaceTokenizer tokenizer;

  private PromptTokenizer(HuggingFaceTokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  static PromptTokenizer open(Path file) {
    // Without these DJL may fetch a native library that fits a GPU, and tells its makers where it
    // runs.
    System.setProperty("ai.djl.offline", "true");
    System.setProperty("OPT_OUT_TRACKING", "true");
    try (InputStream json = Files.newInputStream(file)) {
      return new PromptTokenizer(
          HuggingFaceTokenizer.newInstance(
              json, Map.of("addSpecialTokens", "true", "truncation", "false", "padding", "false")));
    } catch (IOException e) {
      throw invalid(file, e);
    } catch (EngineException | LinkageError e) {
      throw NativeLibraries.unusable(
          "Hugging Face tokenizers", Utils.getEngineCacheDir("tokenizers").toString(), e);
    } catch (RuntimeException e) {
      throw invalid(file, e);
    }
  }

  private static LongtakeException invalid(Path file, Exception cause) {
    return new LongtakeException(
        ErrorCode.INVALID_MODEL,
        "Expected a Hugging Face tokenizer at %s, but reading it gives: %s; fetch the file again"
            .formatted(file, Quoted.line(String.valueOf(cause.getMessage()))),
        cause);
  }

  /** May be called by several threads. */
  long[] encode(String text) {
    return tokenizer.encode(text).getIds();
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
