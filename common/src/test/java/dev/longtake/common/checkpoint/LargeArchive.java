package dev.longtake.common.checkpoint;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * A file of torch.save with one tensor of more than 4 GiB, in ZIP64. Sparse: only the pages that are written take space
 * on disk.
 */
final class LargeArchive {
  private static final short ZIP64_VERSION = 45;

  private LargeArchive() {}

  /** One tensor {@code x} of float32, all 0 but the last element. */
  static void write(Path path, long elements, float last) throws IOException {
    byte[] pickle = pickle(elements);
    try (RandomAccessFile out = new RandomAccessFile(path.toFile(), "rw")) {
      out.write(local("a/data.pkl", pickle.length));
      out.write(pickle);
      long dataHeader = out.getFilePointer();
      out.write(local("a/data/0", 4 * elements));
      out.seek(out.getFilePointer() + 4 * elements - 4);
      out.write(little(4).putFloat(last).array());
      long directory = out.getFilePointer();
      out.write(central("a/data.pkl", pickle.length, 0));
      out.write(central("a/data/0", 4 * elements, dataHeader));
      out.write(end(directory, out.getFilePointer() - directory));
    }
  }

  private static byte[] pickle(long elements) {
    byte[] number = little(8).putLong(elements).array();
    String text = new String(number, StandardCharsets.ISO_8859_1);
    String n = "\u008a\u0008" + text;
    return ("\u0080\u0002}\u008c\u0001xctorch._utils\n_rebuild_tensor_v2\n("
            + "(\u008c\u0007storagectorch\nFloatStorage\n\u008c\u00010\u008c\u0003cpu"
            + n
            + "tQ"
            + "K\u0000"
            + n
            + "\u0085K\u0001\u0085\u0089)tRs.")
        .getBytes(StandardCharsets.ISO_8859_1);
  }

  private static byte[] local(String name, long sizeBytes) {
    return little(30 + name.length() + 20)
        .putInt(0x04034b50)
        .putShort(ZIP64_VERSION)
        .put(new byte[12])
        .putInt(-1)
        .putInt(-1)
        .putShort((short) name.length())
        .putShort((short) 20)
        .put(name.getBytes(StandardCharsets.US_ASCII))
        .put(zip64(16).putLong(sizeBytes).putLong(sizeBytes).array())
        .array();
  }

  private static byte[] central(String name, long sizeBytes, long offset) {
    return little(46 + name.length() + 28)
        .putInt(0x02014b50)
        .putShort(ZIP64_VERSION)
        .putShort(ZIP64_VERSION)
        .put(new byte[12])
        .putInt(-1)
        .putInt(-1)
        .putShort((short) name.length())
        .putShort((short) 28)
        .put(new byte[10])
        .putInt(-1)
        .put(name.getBytes(StandardCharsets.US_ASCII))
        .put(zip64(24).putLong(sizeBytes).putLong(sizeBytes).putLong(offset).array())
        .array();
  }

  private static byte[] end(long directory, long directoryBytes) {
    return little(56 + 20 + 22)
        .putInt(0x06064b50)
        .putLong(44)
        .putShort(ZIP64_VERSION)
        .putShort(ZIP64_VERSION)
        .putLong(0)
        .putLong(2)
        .putLong(2)
        .putLong(directoryBytes)
        .putLong(directory)
        .putInt(0x07064b50)
        .putInt(0)
        .putLong(directory + directoryBytes)
        .putInt(1)
        .putInt(0x06054b50)
        .putInt(0)
        .putInt(-1)
        .putInt(-1)
        .putInt(-1)
        .putShort((short) 0)
        .array();
  }

  /** The extra field, of which the numbers are still missing. */
  private static ByteBuffer zip64(int numbersBytes) {
    return little(4 + numbersBytes).putShort((short) 1).putShort((short) numbersBytes);
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
