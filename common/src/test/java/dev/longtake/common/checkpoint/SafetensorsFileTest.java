package dev.longtake.common.checkpoint;

import static dev.longtake.common.checkpoint.Invalid.assertInvalid;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tensor.Bfloat16;
import dev.longtake.common.tensor.DType;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class SafetensorsFileTest {
  private static final String F32_ENTRY = "{'dtype':'F32','shape':[2],'data_offsets':[0,8]}";

  @TempDir Path folder;

  @Test
  void shouldReadWhatWasWrittenWhenTypesAreMixed() throws IOException {
    Path file = folder.resolve("mixed.safetensors");
    new SafetensorsWriter()
        .metadata("prompt", "a \"red\" circle\nä")
        .add("mask", DType.U8, List.of(3L), MemorySegment.ofArray(new byte[] {1, 0, 1}))
        .addF32("w", new float[] {1, -2, 3, 4, 5, 6}, 2, 3)
        .addF32("scalar", new float[] {7})
        .add("none", DType.F32, List.of(0L, 5L), MemorySegment.ofArray(new byte[0]))
        .add("ids", DType.I64, List.of(2L), MemorySegment.ofArray(new long[] {9, -1}))
        .write(file);

    try (SafetensorsFile opened = SafetensorsFile.open(file);
        Arena scratch = Arena.ofConfined()) {
      assertThat(opened.names()).containsExactly("ids", "mask", "none", "scalar", "w");
      assertThat(opened.metadata()).containsExactly(Map.entry("prompt", "a \"red\" circle\nä"));
      assertThat(opened.info("w"))
          .hasValueSatisfying(w -> {
            assertThat(w.dtype()).isEqualTo(DType.F32);
            assertThat(w.shape()).containsExactly(2L, 3L);
            assertThat(w.sizeBytes()).isEqualTo(24);
            assertThat(w.elements()).isEqualTo(6);
          });
      assertThat(opened.info("v")).isEmpty();
      assertThat(opened.bytes("mask").toArray(ValueLayout.JAVA_BYTE)).containsExactly(1, 0, 1);
      assertThat(opened.bytes("ids").toArray(ValueLayout.JAVA_LONG)).containsExactly(9, -1);
      assertThat(opened.bytes("w").isReadOnly()).isTrue();
      assertThat(floats(opened.f32("w", scratch, 2, 3))).containsExactly(1, -2, 3, 4, 5, 6);
      assertThat(floats(opened.f32("scalar", scratch))).containsExactly(7);
      assertThat(opened.f32("none", scratch, 0, 5).byteSize()).isZero();
    }
  }

  @Test
  void shouldWriteSameBytesWhenAddedInAnotherOrder() throws IOException {
    float[] one = {1};
    float[] two = {2};
    new SafetensorsWriter().addF32("a", one, 1).addF32("b", two, 1).write(folder.resolve("1"));
    new SafetensorsWriter().addF32("b", two, 1).addF32("a", one, 1).write(folder.resolve("2"));

    assertThat(folder.resolve("1")).hasSameBinaryContentAs(folder.resolve("2"));
  }

  @Test
  void shouldRefuseToWriteWhenTensorContradictsItself() {
    SafetensorsWriter writer = new SafetensorsWriter().addF32("a", new float[] {1}, 1);

    assertThatIllegalArgumentException().isThrownBy(() -> writer.addF32("b", new float[] {1}, 2));
    assertThatIllegalArgumentException().isThrownBy(() -> writer.addF32("a", new float[] {1}, 1));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> writer.addF32("__metadata__", new float[] {1}, 1));
  }

  @Test
  void shouldConvertToFloatWhenStoredNarrowerOrWider() throws IOException {
    float[] values = {0, -0f, 1.5f, -65504, 0x1.554p-2f, Float.POSITIVE_INFINITY, Float.NaN};
    short[] halves = new short[values.length];
    short[] brains = new short[values.length];
    double[] doubles = new double[values.length];
    float[] rounded = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      halves[i] = Float.floatToFloat16(values[i]);
      brains[i] = Bfloat16.fromFloat(values[i]);
      doubles[i] = values[i];
      rounded[i] = Bfloat16.toFloat(brains[i]);
    }
    List<Long> shape = List.of((long) values.length);
    Path file = folder.resolve("types.safetensors");
    new SafetensorsWriter()
        .add("half", DType.F16, shape, MemorySegment.ofArray(halves))
        .add("brain", DType.BF16, shape, MemorySegment.ofArray(brains))
        .add("double", DType.F64, shape, MemorySegment.ofArray(doubles))
        .write(file);

    try (SafetensorsFile opened = SafetensorsFile.open(file);
        Arena scratch = Arena.ofConfined()) {
      assertThat(floats(opened.f32("half", scratch, 7))).containsExactly(values);
      assertThat(floats(opened.f32("brain", scratch, 7))).containsExactly(rounded);
      assertThat(floats(opened.f32("double", scratch, 7))).containsExactly(values);
    }
  }

  @Test
  void shouldAlignFloatsWhenFileDoesNot() throws IOException {
    Path file = write("{'a':" + F32_ENTRY + "} ", floatBytes(3, 4));

    try (SafetensorsFile opened = SafetensorsFile.open(file);
        Arena scratch = Arena.ofConfined()) {
      assertThat(opened.bytes("a").address() % 4).isNotZero();
      MemorySegment aligned = opened.f32("a", scratch, 2);
      assertThat(aligned.address() % 4).isZero();
      assertThat(floats(aligned)).containsExactly(3, 4);
    }
  }

  @Test
  void shouldMapTensorsOnlyAsLongAsTheyAreUsed() throws IOException {
    Path file = folder.resolve("a.safetensors");
    new SafetensorsWriter().addF32("w", new float[] {1, 2}, 2).write(file);

    try (SafetensorsFile opened = SafetensorsFile.open(file)) {
      MemorySegment weight;
      try (Arena scratch = Arena.ofConfined()) {
        weight = opened.f32("w", scratch, 2);
        assertThat(weight.isMapped()).isTrue();
        assertThat(floats(weight)).containsExactly(1, 2);
      }
      assertThat(weight.scope().isAlive()).isFalse();
    }
  }

  @Test
  void shouldStayReadableWhenAReaderIsInterrupted() throws IOException {
    Path file = folder.resolve("a.safetensors");
    new SafetensorsWriter().addF32("w", new float[] {1, 2}, 2).write(file);

    try (SafetensorsFile opened = SafetensorsFile.open(file);
        Arena scratch = Arena.ofConfined()) {
      Thread.currentThread().interrupt();
      assertThatThrownBy(() -> opened.f32("w", scratch, 2))
          .isInstanceOfSatisfying(
              LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CANCELED));
      assertThat(Thread.interrupted()).isTrue();
      assertThat(floats(opened.f32("w", scratch, 2))).containsExactly(1, 2);
    }
  }

  @Test
  void shouldReadBeyondTwoGibibytesWhenFileIsLarge() throws IOException {
    long large = (2L << 30) + 12;
    Path file = folder.resolve("large.safetensors");
    byte[] json =
        json(
            "{'big':{'dtype':'U8','shape':[%d],'data_offsets':[0,%d]},'tail':{'dtype':'F32','shape':[1],'data_offsets':[%d,%d]}}"
                .formatted(large, large, large, large + 4));
    // Sparse: only the pages that are written take space on disk.
    try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
      out.write(lengthOf(json.length));
      out.write(json);
      out.seek(8 + json.length + large);
      out.write(floatBytes(42));
    }

    try (SafetensorsFile opened = SafetensorsFile.open(file);
        Arena scratch = Arena.ofConfined()) {
      assertThat(opened.bytes("big").byteSize()).isEqualTo(large);
      assertThat(floats(opened.f32("tail", scratch, 1))).containsExactly(42);
    }
  }

  @Test
  void shouldNameClosestTensorsWhenOneIsMissing() throws IOException {
    Path file = folder.resolve("a.safetensors");
    float[] one = {1};
    new SafetensorsWriter()
        .addF32("blocks.0.attn.qkv.weight", one, 1)
        .addF32("blocks.1.attn.qkv.weight", one, 1)
        .addF32("blocks.0.attn.qkv.bias", one, 1)
        .addF32("blocks.0.attn.proj.weight", one, 1)
        .addF32("y", one, 1)
        .write(file);

    try (SafetensorsFile opened = SafetensorsFile.open(file);
        Arena scratch = Arena.ofConfined()) {
      assertInvalid(() -> opened.f32("blocks.0.atn.qkv.weight", scratch, 1))
          .hasMessage(
              "Expected a tensor \"blocks.0.atn.qkv.weight\" in %s, but it is missing; the closest"
                  + " names there are \"blocks.0.attn.qkv.weight\", \"blocks.1.attn.qkv.weight\","
                  + " \"blocks.0.attn.proj.weight\"",
              file);
      assertInvalid(() -> opened.bytes("nothing like it"))
          .hasMessageContaining("missing; use the checkpoint that belongs to the config");
    }
  }

  @Test
  void shouldNameBothShapesWhenTheyDiffer() throws IOException {
    Path file = folder.resolve("a.safetensors");
    new SafetensorsWriter()
        .addF32("w", new float[6], 2, 3)
        .add("ids", DType.I64, List.of(1L), MemorySegment.ofArray(new long[1]))
        .write(file);

    try (SafetensorsFile opened = SafetensorsFile.open(file);
        Arena scratch = Arena.ofConfined()) {
      assertInvalid(() -> opened.f32("w", scratch, 3, 2))
          .hasMessageContaining("\"w\" of shape [3, 2] in " + file)
          .hasMessageContaining("its shape is [2, 3]");
      assertInvalid(() -> opened.f32("ids", scratch, 1)).hasMessageContaining("it is I64");
    }
  }

  @Test
  void shouldCloseOnceWhenClosedTwice() throws IOException {
    Path file = folder.resolve("a.safetensors");
    new SafetensorsWriter().addF32("w", new float[1], 1).write(file);
    SafetensorsFile opened = SafetensorsFile.open(file);
    MemorySegment bytes = opened.bytes("w");
    opened.close();
    opened.close();

    assertThatThrownBy(() -> bytes.get(ValueLayout.JAVA_BYTE, 0))
        .isInstanceOf(IllegalStateException.class);
  }

  @Test
  void shouldRefuseWhenFileIsNoFile() {
    assertInvalid(() -> SafetensorsFile.open(folder)).hasMessageContaining("there is a folder");
    assertInvalid(() -> SafetensorsFile.open(folder.resolve("none")))
        .hasMessageContaining("there is none");
  }

  @Test
  void shouldRefuseWhenFileIsTruncated() throws IOException {
    Path whole = write("{'a':" + F32_ENTRY + "}", floatBytes(1, 2));
    byte[] bytes = Files.readAllBytes(whole);
    for (int length = 0; length < bytes.length; length++) {
      Path cut = folder.resolve("cut");
      Files.write(cut, Arrays.copyOf(bytes, length));
      assertInvalid(() -> SafetensorsFile.open(cut)).hasMessageContaining(cut.toString());
    }
  }

  @Test
  void shouldRefuseWhenHeaderLengthIsAbsurd() throws IOException {
    for (long length : new long[] {-1, Long.MIN_VALUE, 1 << 20, Long.MAX_VALUE}) {
      Path file = folder.resolve("a");
      Files.write(
          file, ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN).putLong(length).array());
      assertInvalid(() -> SafetensorsFile.open(file))
          .hasMessageContaining("length is given as " + Long.toUnsignedString(length));
    }
  }

  @Test
  void shouldRefuseWhenHeaderIsNotUtf8() throws IOException {
    Path file = folder.resolve("a");
    Files.write(file, new byte[] {2, 0, 0, 0, 0, 0, 0, 0, (byte) 0xC3, 0x28});

    assertInvalid(() -> SafetensorsFile.open(file)).hasMessageContaining("UTF-8");
  }

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "no JSON            | {'a'                                                                 "
            + "    | JSON",
        "lenient JSON       | {a:{}}                                                               "
            + "    | JSON",
        "an array           | []                                                                   "
            + "    | a JSON object as header",
        "two roots          | {} {}                                                                "
            + "    | JSON",
        "no entry           | {'a':1}                                                              "
            + "    | an object as entry of tensor \"a\"",
        "unknown dtype      | {'a':{'dtype':'F8','shape':[2],'data_offsets':[0,8]}}                "
            + "    | it is \"F8\"",
        "no dtype           | {'a':{'shape':[2],'data_offsets':[0,8]}}                             "
            + "    | a dtype of tensor \"a\"",
        "no shape           | {'a':{'dtype':'F32','data_offsets':[0,8]}}                           "
            + "    | a shape of tensor \"a\"",
        "no offsets         | {'a':{'dtype':'F32','shape':[2]}}                                    "
            + "    | a data_offsets of tensor \"a\"",
        "one offset         | {'a':{'dtype':'F32','shape':[2],'data_offsets':[0]}}                 "
            + "    | two numbers",
        "negative offset    | {'a':{'dtype':'F32','shape':[2],'data_offsets':[-8,0]}}              "
            + "    | one is -8",
        "swapped offsets    | {'a':{'dtype':'F32','shape':[2],'data_offsets':[8,0]}}               "
            + "    | they are [8, 0]",
        "beyond the file    | {'a':{'dtype':'F32','shape':[2],'data_offsets':[4,12]}}              "
            + "    | within the file's 8 bytes",
        "fraction           | {'a':{'dtype':'F32','shape':[2.5],'data_offsets':[0,8]}}             "
            + "    | one is 2.5",
        "beyond 64 bits     |"
            + " {'a':{'dtype':'F32','shape':[99999999999999999999],'data_offsets':[0,8]}} | one is"
            + " 99999999999999999999",
        "quoted number      | {'a':{'dtype':'F32','shape':['2'],'data_offsets':[0,8]}}             "
            + "    | integers in shape",
        "other size         | {'a':{'dtype':'F32','shape':[1],'data_offsets':[0,8]}}               "
            + "    | 4 bytes of tensor \"a\"",
        "overflowing size   |"
            + " {'a':{'dtype':'F32','shape':[4611686018427387904,4],'data_offsets':[0,8]}} | a"
            + " shape of tensor \"a\"",
        "twice              |"
            + " {'a':{'dtype':'U8','shape':[4],'data_offsets':[0,4]},'a':{'dtype':'U8','shape':[4],'data_offsets':[4,8]}}"
            + " | \"a\" is there twice",
        "overlap            |"
            + " {'a':{'dtype':'U8','shape':[5],'data_offsets':[0,5]},'b':{'dtype':'U8','shape':[4],'data_offsets':[4,8]}}"
            + " | an overlap",
        "gap                |"
            + " {'a':{'dtype':'U8','shape':[3],'data_offsets':[0,3]},'b':{'dtype':'U8','shape':[4],'data_offsets':[4,8]}}"
            + " | a gap",
        "unused tail        | {'a':{'dtype':'U8','shape':[4],'data_offsets':[0,4]}}                "
            + "     | 4 bytes of data",
        "metadata no string |"
            + " {'__metadata__':{'k':1},'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}} | a"
            + " string as \"k\"",
        "metadata twice     | {'__metadata__':{},'__metadata__':{}}                                "
            + "     | __metadata__ is there twice",
      })
  void shouldSayWhatIsWrongWhenHeaderIsMalformed(String kind, String header, String message)
      throws IOException {
    Path file = write(header, floatBytes(1, 2));

    assertInvalid(() -> SafetensorsFile.open(file))
        .as(kind)
        .hasMessageContaining(message)
        .hasMessageContaining(file.toString());
  }

  private static float[] floats(MemorySegment segment) {
    return segment.toArray(ValueLayout.JAVA_FLOAT);
  }

  private Path write(String header, byte[] data) throws IOException {
    Path file = folder.resolve("given.safetensors");
    byte[] json = json(header);
    ByteBuffer all = ByteBuffer.allocate(8 + json.length + data.length);
    Files.write(file, all.put(lengthOf(json.length)).put(json).put(data).array());
    return file;
  }

  /** Apostrophes stand for quotes. */
  private static byte[] json(String text) {
    return text.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] lengthOf(long length) {
    return ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(length).array();
  }

  private static byte[] floatBytes(float... values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return bytes.array();
  }
}
