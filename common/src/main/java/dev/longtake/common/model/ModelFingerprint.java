package dev.longtake.common.model;

import dev.longtake.common.checkpoint.Checkpoints;
import dev.longtake.common.checkpoint.ShardedCheckpoint;
import dev.longtake.common.digest.Sha256;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/**
 * Tells whether two folders hold the same model. Workers with different fingerprints never share a job, because their
 * parts of a video would not fit. SHA-256 in lower-case hex; what files hold counts, not where they are.
 *
 * @param model over the configuration files, weights, tokenizer, text encoder and autoencoder
 * @param textEncoder over all that an embedding depends on: tokenizer, text encoder and the length texts are padded to; empty
 *     where there is no text encoder
 */
public record ModelFingerprint(String model, String textEncoder) {
  /** What is mapped at once: files are larger than the heap, and this bounds resident memory too. */
  private static final long WINDOW_BYTES = 64L << 20;

  private record Part(String role, Path file) {}

  private static final String TEXT_ENCODER = "text_encoder";

  /**
   * Reads everything, once: seconds per gigabyte.
   *
   * @throws dev.longtake.common.error.LongtakeException INVALID_MODEL when a file can't be read,
   *     INVALID_CHECKPOINT when an index of weights is damaged
   */
  public static ModelFingerprint of(ModelFolder model) {
    MessageDigest whole = Sha256.start();
    MessageDigest textEncoder = Sha256.start();
    textEncoder.update(bytes(model.defaults().maxTextTokens() + " tokens\n"));
    for (Part part : parts(model)) {
      try {
        byte[] digest = digest(part);
        whole.update(digest);
        if (part.role.startsWith(TEXT_ENCODER)) {
          textEncoder.update(digest);
        }
      } catch (IOException e) {
        throw JsonFields.invalid(
            "Expected to read " + part.file + ", but the system says: " + e.getMessage(), e);
      }
    }
    return new ModelFingerprint(
        hex(whole), model.textEncoder().isPresent() ? hex(textEncoder) : "");
  }

  private static String hex(MessageDigest digest) {
    return HexFormat.of().formatHex(digest.digest());
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static List<Part> parts(ModelFolder model) {
    List<Part> parts = new ArrayList<>();
    if (!model.dit().isAbsent()) {
      Path index = model.root().resolve(ModelFolder.INDEX);
      if (Files.isRegularFile(index)) {
        parts.add(new Part("index", index));
      }
      parts.add(new Part("dit.config", model.dit().file()));
    }
    parts.add(new Part("dit.weights", model.ditWeights()));
    if (Checkpoints.isIndex(model.ditWeights())) {
      ShardedCheckpoint.files(model.ditWeights())
          .forEach(shard -> parts.add(new Part("dit.weights", shard)));
    }
    model
        .textEncoder()
        .ifPresent(files -> {
          parts.add(new Part(TEXT_ENCODER + ".config", files.config()));
          parts.add(new Part(TEXT_ENCODER + ".tokenizer", files.tokenizer()));
          addOnnx(parts, TEXT_ENCODER + ".onnx", files.onnx());
        });
    model
        .vae()
        .ifPresent(files -> {
          parts.add(new Part("vae.config", files.config()));
          addOnnx(parts, "vae.decoder_onnx", files.decoderOnnx());
          files.encoderOnnx().ifPresent(onnx -> addOnnx(parts, "vae.encoder_onnx", onnx));
        });
    return parts;
  }

  /** An ONNX file above 2 GB keeps its weights in files beside it, whose names begin with its own. */
  private static void addOnnx(List<Part> parts, String role, Path onnx) {
    Path folder = onnx.toAbsolutePath().getParent();
    String name = onnx.getFileName().toString();
    try (Stream<Path> siblings = Files.list(folder)) {
      siblings
          .filter(Files::isRegularFile)
          .filter(file -> file.getFileName().toString().startsWith(name))
          .sorted()
          .forEach(file -> parts.add(new Part(role, file)));
    } catch (IOException e) {
      throw JsonFields.invalid(
          "Expected to list " + folder + ", but the system says: " + e.getMessage(), e);
    }
  }

  /** Role and size come first, so that bytes can't move from one file to the next unnoticed. */
  private static byte[] digest(Part part) throws IOException {
    MessageDigest digest = Sha256.start();
    try (FileChannel channel = FileChannel.open(part.file, StandardOpenOption.READ)) {
      long sizeBytes = channel.size();
      digest.update(bytes(part.role + ' ' + sizeBytes + '\n'));
      for (long at = 0; at < sizeBytes; at += WINDOW_BYTES) {
        long length = Math.min(WINDOW_BYTES, sizeBytes - at);
        try (Arena arena = Arena.ofConfined()) {
          digest.update(
              channel.map(FileChannel.MapMode.READ_ONLY, at, length, arena).asByteBuffer());
        }
      }
    }
    return digest.digest();
  }
}
