package dev.longtake.coordinator.artifacts;

import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.MessageLite;
import com.google.protobuf.Parser;
import dev.longtake.coordinator.files.PartFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.zip.CRC32C;

/**
 * A protobuf message in a file, behind eight bytes of magic number and CRC32C, big-endian. A file is whole or not there: it is written
 * under another name, synced, renamed, and the folder synced.
 */
final class ChecksummedFile {
  /** "LTA1". */
  private static final int MAGIC = 0x4C544131;

  private static final int HEADER_BYTES = 8;

  private ChecksummedFile() {}

  /** Replaces what was there; after a failure it is still there. */
  static void write(Path file, MessageLite message) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(HEADER_BYTES + message.getSerializedSize());
    CodedOutputStream out =
        CodedOutputStream.newInstance(bytes.array(), HEADER_BYTES, bytes.capacity() - HEADER_BYTES);
    message.writeTo(out);
    out.checkNoSpaceLeft();
    bytes.putInt(MAGIC).putInt(checksum(bytes.array())).rewind();
    Path folder = file.resolveSibling("");
    Path part = PartFile.of(file);
    try {
      try (FileChannel channel =
          FileChannel.open(part, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
        while (bytes.hasRemaining()) {
          channel.write(bytes);
        }
        channel.force(/* metaData= */ true);
      }
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
      sync(folder);
    } catch (IOException e) {
      Files.deleteIfExists(part);
      throw e;
    }
  }

  /** Without this a power failure may undo the renaming. Not every system can open a folder. */
  private static void sync(Path folder) {
    try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
      channel.force(/* metaData= */ true);
    } catch (IOException e) {
      // The file itself was synced, which is all that such a system offers.
    }
  }

  /**
   * @throws IOException when it can't be read, is cut off, or its checksum is wrong
   */
  static <M> M read(Path file, Parser<M> parser) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    ByteBuffer header = ByteBuffer.wrap(bytes);
    if (bytes.length < HEADER_BYTES || header.getInt() != MAGIC) {
      throw new IOException("it is no file of ours, or was cut off");
    }
    if (header.getInt() != checksum(bytes)) {
      throw new IOException("its checksum is wrong");
    }
    return parser.parseFrom(bytes, HEADER_BYTES, bytes.length - HEADER_BYTES);
  }

  private static int checksum(byte[] bytes) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, HEADER_BYTES, bytes.length - HEADER_BYTES);
    return (int) crc.getValue();
  }
}
