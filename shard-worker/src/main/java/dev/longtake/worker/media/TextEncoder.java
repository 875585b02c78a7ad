package dev.longtake.worker.media;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.model.TextEncoderFiles;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;

/**
 * Turns prompts into embeddings: Hugging Face's tokenizer, then the model's text encoder in ONNX Runtime. The same prompt
 * gives the same bytes on every worker that uses the same number of threads. May be called by several threads; whoever
 * closes it makes sure that no call is running.
 */
public final class TextEncoder implements AutoCloseable {
  private static final String FIELD = "prompt";
  private static final String IDS = "input_ids";
  private static final String MASK = "attention_mask";

  private final PromptTokenizer tokenizer;
  private final OnnxModel network;
  private final int padTokenId;
  private final int maxTokens;

  private TextEncoder(PromptTokenizer tokenizer, OnnxModel network, int padTokenId, int maxTokens) {
    this.tokenizer = tokenizer;
    this.network = network;
    this.padTokenId = padTokenId;
    this.maxTokens = maxTokens;
  }

  /**
   * Loads a model's tokenizer and text encoder.
   *
   * @param threads that a call may use, the caller's included
   * @throws LongtakeException INVALID_MODEL when the folder has none or they can't be read; INTERNAL when a native library
   *     can't be loaded
   */
  public static TextEncoder open(ModelFolder model, int threads) {
    TextEncoderFiles files =
        model
            .textEncoder()
            .orElseThrow(() ->
                new LongtakeException(
                    ErrorCode.INVALID_MODEL,
                    "Expected a text encoder in the model folder %s, but it has none; use a folder whose model_index.json names a text_encoder"
                        .formatted(model.root())));
    PromptTokenizer tokenizer = PromptTokenizer.open(files.tokenizer());
    try {
      OnnxModel network = OnnxModel.open(files.onnx(), Set.of(IDS, MASK), threads);
      return new TextEncoder(
          tokenizer, network, files.padTokenId(), model.defaults().maxTextTokens());
    } catch (RuntimeException | Error e) {
      tokenizer.close();
      throw e;
    }
  }

  /**
   * Encodes a prompt.
   *
   * @throws LongtakeException INVALID_REQUEST as {@link #tokenize}
   */
  public EncodedText encode(String prompt) {
    return encode(tokenize(prompt));
  }

  /** Encodes the empty prompt, which is the null text of models without one of their own. */
  public EncodedText encodeEmpty() {
    return encode(tokenizeEmpty());
  }

  private EncodedText encode(int[] ids) {
    return network.run((environment, session) -> encode(environment, session, ids));
  }

  /** Token ids of the empty prompt. */
  public int[] tokenizeEmpty() {
    return Arrays.stream(tokenizer.encode("")).mapToInt(Math::toIntExact).toArray();
  }

  /**
   * Token ids of a prompt, without running the network. Words that the tokenizer does not know become its unknown token.
   *
   * @throws LongtakeException INVALID_REQUEST when the prompt is blank, is no valid text, or has more tokens than the
   *     model takes
   */
  public int[] tokenize(String prompt) {
    if (prompt.isBlank()) {
      throw LongtakeException.invalidField(
          FIELD, "Expected a prompt, but it is empty; say what the video shows");
    }
    // Half a character would reach the tokenizer as something else.
    if (prompt
        .codePoints()
        .anyMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE)) {
      throw LongtakeException.invalidField(
          FIELD,
          "Expected a prompt in Unicode, but it has half a surrogate pair; send whole characters");
    }
    long[] ids = tokenizer.encode(prompt);
    if (ids.length > maxTokens) {
      throw LongtakeException.invalidField(
          FIELD,
          "Expected a prompt of at most %d tokens (about one a word, and one for the end), but it has %d; shorten it"
              .formatted(maxTokens, ids.length));
    }
    return Arrays.stream(ids).mapToInt(Math::toIntExact).toArray();
  }

  /** Padded to the model's length, as in training; attention then ignores the padding. */
  private EncodedText encode(OrtEnvironment environment, OrtSession session, int[] ids)
      throws OrtException {
    long[] padded = Arrays.copyOf(Arrays.stream(ids).asLongStream().toArray(), maxTokens);
    Arrays.fill(padded, ids.length, maxTokens, padTokenId);
    long[] mask = new long[maxTokens];
    Arrays.fill(mask, 0, ids.length, 1);
    long[] shape = {1, maxTokens};
    try (OnnxTensor idsTensor =
            OnnxTensor.createTensor(environment, LongBuffer.wrap(padded), shape);
        OnnxTensor maskTensor = OnnxTensor.createTensor(environment, LongBuffer.wrap(mask), shape);
        OrtSession.Result result = session.run(Map.of(IDS, idsTensor, MASK, maskTensor))) {
      OnnxTensor output = network.output(result, 1, maxTokens, -1);
      int channels = Math.toIntExact(output.getInfo().getShape()[2]);
      float[] embedding = new float[Math.multiplyExact(ids.length, channels)];
      FloatBuffer rows = output.getFloatBuffer();
      rows.get(embedding);
      return new EncodedText(ids, embedding, ids.length, channels);
    }
  }

  @Override
  public void close() {
    try (tokenizer) {
      network.close();
    }
  }
}
