package dev.longtake.common.checkpoint;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipFile;
import org.apache.commons.compress.archivers.zip.ZipMethod;
import org.jspecify.annotations.Nullable;

/**
 * Where the entries of a file of torch.save lie: a zip archive of one folder with the pickle {@code data.pkl} and the
 * storages {@code data/0}, {@code data/1} and so on, none of them compressed.
 *
 * @param pickle where the pickle lies
 * @param storages by the part of the name after {@code data/}
 */
record PytorchArchive(Path file, Region pickle, Map<String, Region> storages) {
  private static final String PICKLE = "data.pkl";
  private static final String DATA = "data/";
  private static final String BYTE_ORDER = "byteorder";
  private static final String SAVE_AGAIN =
      "load it with PyTorch and save the state dict alone, with torch.save";
  private static final String DAMAGED = "the file is truncated or damaged, fetch it again";

  /**
   * Bytes of the file.
   *
   * @param offsetBytes from the start of the file
   */
  record Region(long offsetBytes, long sizeBytes) {}

  /**
   * Reads the archive's directory.
   *
   * @throws LongtakeException INVALID_CHECKPOINT when it is damaged, compressed or no file of torch.save
   */
  static PytorchArchive open(Path file) {
    try (ZipFile zip = ZipFile.builder().setPath(file).get()) {
      return new Reader(file, Files.size(file)).read(zip);
    } catch (LongtakeException e) {
      throw e;
    } catch (IOException | RuntimeException e) {
      throw invalid(
          file, "a zip archive of PyTorch", Quoted.line(e.toString()) + "; " + DAMAGED, e);
    }
  }

  /** The pickle's bytes. */
  byte[] pickleBytes() {
    if (pickle.sizeBytes > TensorUnpickler.MAX_BYTES) {
      throw invalid(
          file,
          "%s of at most %d bytes".formatted(PICKLE, TensorUnpickler.MAX_BYTES),
          "it has %d; %s".formatted(pickle.sizeBytes, SAVE_AGAIN),
          null);
    }
    return bytes(file, PICKLE, pickle);
  }

  private static byte[] bytes(Path file, String name, Region region) {
    try (Arena arena = Arena.ofConfined()) {
      return FileMapping.map(file, name, region.offsetBytes, region.sizeBytes, arena)
          .toArray(ValueLayout.JAVA_BYTE);
    }
  }

  private static LongtakeException invalid(
      Path file, String expected, String found, @Nullable Throwable cause) {
    return new LongtakeException(
        ErrorCode.INVALID_CHECKPOINT,
        "Expected %s in %s, but %s".formatted(expected, file, found),
        cause);
  }

  /** Goes through the directory once. */
  private record Reader(Path file, long fileBytes) {
    PytorchArchive read(ZipFile zip) {
      List<ZipArchiveEntry> entries = Collections.list(zip.getEntries());
      String folder =
          entries.stream()
              .map(ZipArchiveEntry::getName)
              .filter(name -> name.equals(PICKLE) || name.endsWith("/" + PICKLE))
              .min(Comparator.comparingInt(String::length))
              .map(name -> name.substring(0, name.length() - PICKLE.length()))
              .orElseThrow(() ->
                  invalid(
                      file,
                      "an entry " + PICKLE,
                      "there is none: this zip archive is not one of torch.save; check the path",
                      null));
      Optional<Region> pickle = Optional.empty();
      Map<String, Region> storages = new HashMap<>();
      for (ZipArchiveEntry entry : entries) {
        String name = entry.getName();
        if (name.equals(folder + PICKLE)) {
          requireOnce(entry, pickle);
          pickle = Optional.of(region(entry));
        } else if (name.equals(folder + BYTE_ORDER)) {
          requireLittleEndian(region(entry));
        } else if (name.startsWith(folder + DATA)) {
          requireOnce(
              entry,
              Optional.ofNullable(
                  storages.put(name.substring((folder + DATA).length()), region(entry))));
        }
      }
      return new PytorchArchive(file, pickle.orElseThrow(), storages);
    }

    /** Which of two would be read is for the reader to guess. */
    private void requireOnce(ZipArchiveEntry entry, Optional<Region> before) {
      if (before.isPresent()) {
        throw invalid(
            file,
            "each entry once",
            Quoted.of(entry.getName()) + " is there twice; " + DAMAGED,
            null);
      }
    }

    private Region region(ZipArchiveEntry entry) {
      if (entry.getMethod() != ZipMethod.STORED.getCode()
          || entry.getGeneralPurposeBit().usesEncryption()) {
        throw invalid(
            file,
            "entries that are neither compressed nor encrypted",
            "%s is one; %s".formatted(Quoted.of(entry.getName()), SAVE_AGAIN),
            null);
      }
      long offset = entry.getDataOffset();
      if (offset < 0
          || entry.getSize() < 0
          || entry.getSize() != entry.getCompressedSize()
          || entry.getSize() > fileBytes - offset) {
        throw invalid(
            file,
            "entry %s within the file's %d bytes".formatted(Quoted.of(entry.getName()), fileBytes),
            "it has %d from byte %d; %s".formatted(entry.getSize(), offset, DAMAGED),
            null);
      }
      return new Region(offset, entry.getSize());
    }

    /** Files before PyTorch 2.1 lack the entry, and were written on little-endian machines. */
    private void requireLittleEndian(Region entry) {
      Region start = new Region(entry.offsetBytes, Math.min(entry.sizeBytes, 16));
      String order = new String(bytes(file, BYTE_ORDER, start), StandardCharsets.UTF_8);
      if (!order.equals("little")) {
        throw invalid(
            file,
            "the byte order \"little\"",
            "it is %s; %s, on a little-endian machine".formatted(Quoted.of(order), SAVE_AGAIN),
            null);
      }
    }
  }
}
