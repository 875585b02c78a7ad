package dev.longtake.coordinator.cache;

import dev.longtake.common.digest.Sha256;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.files.PartFile;
import dev.longtake.v1.StoredEmbedding;
import dev.longtake.v1.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.zip.CRC32C;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Embeddings as files, one each, for the time after a restart. Their names are digests, so a file says whose it is, and is read only for
 * the same token ids. Those written first go first when there is no room. A file that can't be read or written is only logged: a request
 * is worth more. Thread-safe.
 */
public final class EmbeddingFiles {
  private static final Logger log = LoggerFactory.getLogger(EmbeddingFiles.class);
  private static final String SUFFIX = ".embedding";

  private final Path folder;
  private final long limitBytes;

  private EmbeddingFiles(Path folder, long limitBytes) {
    this.folder = folder;
    this.limitBytes = limitBytes;
  }

  /**
   * Opens a folder, which is made when it is missing. Where several processes share it, one may lose what another deletes: it logs that.
   *
   * @param limitBytes of all files
   * @throws LongtakeException INVALID_REQUEST when it can't be used
   */
  public static EmbeddingFiles open(Path folder, long limitBytes) {
    try {
      Files.createDirectories(folder);
      PartFile.deleteAll(folder);
      return new EmbeddingFiles(folder, limitBytes);
    } catch (IOException e) {
      throw LongtakeException.invalidField(
          "data", "Expected a folder for embeddings at %s, but got: %s".formatted(folder, e));
    }
  }

  /** What was written for a key; empty when there is nothing, or nothing sound. */
  synchronized Optional<Tensor> read(EmbeddingKey key) {
    Path file = file(key);
    if (!Files.isRegularFile(file)) {
      return Optional.empty();
    }
    try {
      StoredEmbedding stored = StoredEmbedding.parseFrom(Files.readAllBytes(file));
      if (stored.getChecksum() != checksum(stored.getEmbedding())) {
        throw new IOException("its checksum is wrong");
      }
      // Else two texts have the same digest.
      return stored.getEncoder().equals(key.encoder())
              && stored.getTokenIdsList().equals(key.tokenIds())
          ? Optional.of(stored.getEmbedding())
          : Optional.empty();
    } catch (IOException e) {
      log.warn("Cannot use {}, which is deleted: {}", file, e.toString());
      delete(file);
      return Optional.empty();
    }
  }

  /** Writes an embedding, atomically, after as many old ones are deleted as it takes. */
  synchronized void write(EmbeddingKey key, Tensor embedding) {
    byte[] bytes =
        StoredEmbedding.newBuilder()
            .setEncoder(key.encoder())
            .addAllTokenIds(key.tokenIds())
            .setEmbedding(embedding)
            .setChecksum(checksum(embedding))
            .build()
            .toByteArray();
    Path file = file(key);
    Path part = PartFile.of(file);
    try {
      if (!makeRoom(bytes.length)) {
        return;
      }
      Files.write(part, bytes);
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      log.warn("Cannot keep an embedding in {}: {}", file, e.toString());
      delete(part);
    }
  }

  private record Entry(Path file, FileTime written, long sizeBytes) {}

  private boolean makeRoom(long neededBytes) throws IOException {
    List<Entry> entries = new ArrayList<>();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*" + SUFFIX)) {
      for (Path file : files) {
        entries.add(new Entry(file, Files.getLastModifiedTime(file), Files.size(file)));
      }
    }
    entries.sort(Comparator.comparing(Entry::written).thenComparing(Entry::file));
    long bytes = entries.stream().mapToLong(Entry::sizeBytes).sum();
    for (Entry oldest : entries) {
      if (bytes + neededBytes <= limitBytes) {
        break;
      }
      Files.deleteIfExists(oldest.file);
      bytes -= oldest.sizeBytes;
    }
    return bytes + neededBytes <= limitBytes;
  }

  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      log.warn("Cannot delete {}: {}", file, e.toString());
    }
  }

  private static int checksum(Tensor embedding) {
    CRC32C crc = new CRC32C();
    crc.update(embedding.getData().asReadOnlyByteBuffer());
    return (int) crc.getValue();
  }

  private Path file(EmbeddingKey key) {
    String name = key.encoder() + ' ' + key.tokenIds();
    return folder.resolve(Sha256.hex(name.getBytes(StandardCharsets.UTF_8)) + SUFFIX);
  }
}
