package dev.longtake.worker.media;

import dev.longtake.common.checkpoint.SafetensorsFile;
import dev.longtake.common.model.ModelFolder;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;

/** The model that is part of the repository, and what PyTorch computed with it. */
final class DemoModel {
  static final Path ROOT = Path.of(System.getProperty("longtake.root", ""), "ops", "demo-model");

  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private DemoModel() {}

  static ModelFolder folder() {
    return ModelFolder.open(ROOT);
  }

  static SafetensorsFile reference(String name) {
    return SafetensorsFile.open(ROOT.resolve("reference").resolve(name + ".safetensors"));
  }

  static long[] longs(SafetensorsFile file, String name) {
    return file.bytes(name).toArray(LONG);
  }

  static float[] floats(SafetensorsFile file, String name, long... shape) {
    try (Arena arena = Arena.ofConfined()) {
      return file.f32(name, arena, shape).toArray(ValueLayout.JAVA_FLOAT);
    }
  }

  static byte[] bytes(SafetensorsFile file, String name) {
    return file.bytes(name).toArray(ValueLayout.JAVA_BYTE);
  }
}
