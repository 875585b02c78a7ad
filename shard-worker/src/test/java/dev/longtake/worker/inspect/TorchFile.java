package dev.longtake.worker.inspect;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.tensor.DType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Writes what {@code torch.save} writes for a dictionary of float32 tensors: a zip of a pickle and one entry per tensor. */
final class TorchFile {
  private final ByteArrayOutputStream pickle = new ByteArrayOutputStream();

  private TorchFile() {}

  /** Writes a checkpoint's tensors, all of them F32. */
  static Path write(Path file, Checkpoint tensors) throws IOException {
    TorchFile writer = new TorchFile();
    List<byte[]> storages = new ArrayList<>();
    writer.op("\u0080\u0002}(");
    try (Arena arena = Arena.ofConfined()) {
      for (String name : tensors.names()) {
        var info = tensors.info(name).orElseThrow();
        if (info.dtype() != DType.F32) {
          throw new AssertionError(info);
        }
        writer.tensor(name, info.shape(), storages.size());
        storages.add(tensors.bytes(name, arena).toArray(ValueLayout.JAVA_BYTE));
      }
    }
    writer.op("u.");
    return zip(file, writer.pickle.toByteArray(), storages);
  }

  /** A pickle that calls {@code os.system} when a careless reader loads it. */
  static Path writeCall(Path file) throws IOException {
    TorchFile writer = new TorchFile();
    writer.op("\u0080\u0002cos\nsystem\n");
    writer.text("touch pwned");
    writer.op("\u0085R.");
    return zip(file, writer.pickle.toByteArray(), List.of());
  }

  private static Path zip(Path file, byte[] pickle, List<byte[]> storages) throws IOException {
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
      entry(zip, "archive/data.pkl", pickle);
      for (int i = 0; i < storages.size(); i++) {
        entry(zip, "archive/data/" + i, storages.get(i));
      }
      entry(zip, "archive/version", "3\n".getBytes(StandardCharsets.US_ASCII));
    }
    return file;
  }

  private static void entry(ZipOutputStream zip, String name, byte[] bytes) throws IOException {
    CRC32 crc = new CRC32();
    crc.update(bytes);
    ZipEntry entry = new ZipEntry(name);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(bytes.length);
    entry.setCrc(crc.getValue());
    zip.putNextEntry(entry);
    zip.write(bytes);
    zip.closeEntry();
  }

  /** {@code name: torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, {})}. */
  private void tensor(String name, List<Long> shape, int storage) {
    text(name);
    op("ctorch._utils\n_rebuild_tensor_v2\n((");
    text("storage");
    op("ctorch\nFloatStorage\n");
    text(Integer.toString(storage));
    text("cpu");
    number(shape.stream().reduce(1L, (a, b) -> a * b));
    op("tQ");
    number(0);
    op("(");
    shape.forEach(this::number);
    op("t(");
    for (int i = 0; i < shape.size(); i++) {
      number(shape.stream().skip(i + 1L).reduce(1L, (a, b) -> a * b));
    }
    op("t\u0089}tR");
  }

  private void op(String codes) {
    pickle.writeBytes(codes.getBytes(StandardCharsets.ISO_8859_1));
  }

  private void text(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    op("X");
    pickle.writeBytes(little(bytes.length));
    pickle.writeBytes(bytes);
  }

  private void number(long value) {
    op("J");
    pickle.writeBytes(little(Math.toIntExact(value)));
  }

  private static byte[] little(int value) {
    return ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array();
  }
}
