package dev.longtake.common.checkpoint;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/** Opens checkpoints of every format, told apart by what the file holds and not by its name. */
public final class Checkpoints {
  private static final String INDEX_SUFFIX = ".json";
  private static final byte[] ZIP = {'P', 'K', 3, 4};

  /** A pickle of the number that PyTorch before 1.6 put at the start of its files. */
  private static final byte[] OLD_PYTORCH = HexFormat.of().parseHex("80028a0a6cfc9c46f9206aa85019");

  private Checkpoints() {}

  /**
   * Opens a safetensors file, a file of {@code torch.save}, or several of one kind by their {@code *.index.json}.
   *
   * @return to be closed by the caller
   * @throws LongtakeException INVALID_CHECKPOINT when the file is missing, damaged or of another format
   */
  public static Checkpoint open(Path file) {
    return isIndex(file) ? ShardedCheckpoint.open(file) : openFile(file);
  }

  /** Whether the file names other files that hold the tensors. */
  public static boolean isIndex(Path file) {
    return String.valueOf(file.getFileName()).endsWith(INDEX_SUFFIX);
  }

  /**
   * The files that hold the tensors, an index not among them.
   *
   * @throws LongtakeException INVALID_CHECKPOINT when an index is damaged or names a missing file
   */
  public static List<Path> files(Path file) {
    return isIndex(file) ? ShardedCheckpoint.files(file) : List.of(file);
  }

  /** Whether a file was written by {@code torch.save}, by its first bytes. */
  public static boolean isPytorch(Path file) {
    return startsWith(start(file), ZIP);
  }

  static Checkpoint openFile(Path file) {
    FileMapping.requireFile(file, "checkpoint");
    byte[] start = start(file);
    if (startsWith(start, OLD_PYTORCH)) {
      throw new LongtakeException(
          ErrorCode.INVALID_CHECKPOINT,
          "Expected a file of PyTorch 1.6 or newer at %s, but it has the format of older ones; load it with PyTorch and save it again with torch.save"
              .formatted(file));
    }
    return startsWith(start, ZIP) ? PytorchFile.open(file) : SafetensorsFile.open(file);
  }

  private static byte[] start(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      return in.readNBytes(OLD_PYTORCH.length);
    } catch (IOException e) {
      throw FileMapping.unreadable(file.toString(), e);
    }
  }

  private static boolean startsWith(byte[] bytes, byte[] prefix) {
    return bytes.length >= prefix.length
        && Arrays.equals(bytes, 0, prefix.length, prefix, 0, prefix.length);
  }
}
