package dev.longtake.worker.exchange.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.x86.InstructionSets;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Copies and checksums against the JDK's. */
final class FusedCopyTest {
  private static final long SEED = 20261128L;
  private static final int ROUNDS = 200;
  private static final int LARGEST = 3 * 65_472 + 3 * 16_320 + 4_032 + 15;
  private static final int MARGIN = 64;

  private final SplittableRandom random = new SplittableRandom(SEED);

  private static FusedCopy fused() {
    Assumptions.assumeTrue(InstructionSets.hasChecksums(), "needs CRC32C's instruction");
    return FusedCopy.get().orElseThrow();
  }

  private static int jdk(byte[] bytes) {
    var checksum = new CRC32C();
    checksum.update(bytes);
    return (int) checksum.getValue();
  }

  /** Half of them short; parts of it are copied one behind the other. */
  private int size() {
    return random.nextBoolean() ? random.nextInt(100) : random.nextInt(LARGEST + 1);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void shouldCopyAndSumAsTheJdkWhenThePassIsOneOrTwo(boolean isFused) {
    @Nullable FusedCopy pass = isFused ? fused() : null;
    for (int round = 0; round < ROUNDS; round++) {
      shouldCopy(new PayloadCopy(pass), round == 0 ? LARGEST : size(), random.nextInt(8));
    }
  }

  /**
   * Copies random bytes in parts.
   *
   * @param kinds bits that tell whether source and target are on the heap, and whether there is one part only
   */
  private void shouldCopy(PayloadCopy copy, int size, int kinds) {
    byte[] bytes = new byte[size];
    random.nextBytes(bytes);
    int from = random.nextInt(MARGIN);
    int to = random.nextInt(MARGIN);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment source = segment(arena, size, (kinds & 1) != 0);
      MemorySegment target = segment(arena, size, (kinds & 2) != 0);
      MemorySegment.copy(bytes, 0, source, ValueLayout.JAVA_BYTE, from, size);
      copy.begin();
      for (int done = 0; done < size; ) {
        int count = (kinds & 4) != 0 ? size : 1 + random.nextInt(size - done);
        copy.copy(source, from + done, target, to + done, count);
        done += count;
      }
      assertThat(copy.checksum()).as("%d bytes, kinds %d", size, kinds).isEqualTo(jdk(bytes));
      byte[] expected = new byte[size + 2 * MARGIN];
      System.arraycopy(bytes, 0, expected, to, size);
      assertThat(Arrays.equals(target.toArray(ValueLayout.JAVA_BYTE), expected))
          .as("%d bytes, kinds %d", size, kinds)
          .isTrue();
    }
  }

  private static MemorySegment segment(Arena arena, int size, boolean onHeap) {
    long all = size + 2L * MARGIN;
    return onHeap ? MemorySegment.ofArray(new byte[(int) all]) : arena.allocate(all, 1);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void shouldReadStreamsAndSumAsTheJdkWhenThePassIsOneOrTwo(boolean isFused) throws IOException {
    PayloadCopy copy = new PayloadCopy(isFused ? fused() : null);
    for (int round = 0; round < ROUNDS; round++) {
      byte[] bytes = new byte[size()];
      random.nextBytes(bytes);
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment target = segment(arena, bytes.length, random.nextInt(4) == 0);
        copy.begin().read(new ByteArrayInputStream(bytes), target.asSlice(MARGIN, bytes.length));
        assertThat(copy.checksum()).as("%d bytes", bytes.length).isEqualTo(jdk(bytes));
        byte[] expected = new byte[bytes.length + 2 * MARGIN];
        System.arraycopy(bytes, 0, expected, MARGIN, bytes.length);
        assertThat(Arrays.equals(target.toArray(ValueLayout.JAVA_BYTE), expected)).isTrue();
      }
    }
  }

  @Test
  void shouldRefuseWhenASegmentIsTooSmall() {
    FusedCopy fused = fused();
    MemorySegment two = MemorySegment.ofArray(new byte[2]);
    MemorySegment three = MemorySegment.ofArray(new byte[3]);
    assertThatThrownBy(() -> fused.copy(two, 0, three, 0, 3, FusedCopy.START))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> fused.copy(three, 0, three, 1, 3, FusedCopy.START))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> fused.copyArray(three, two, 0, 3, FusedCopy.START))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> fused.copy(three, -1, two, 0, 1, FusedCopy.START))
        .isInstanceOf(IndexOutOfBoundsException.class);
  }

  @Test
  void shouldSayHowManyBytesAreMissingWhenAStreamEndsBefore() {
    assertThatThrownBy(() ->
            new PayloadCopy()
                .begin()
                .read(new ByteArrayInputStream(new byte[5]), MemorySegment.ofArray(new byte[8])))
        .isInstanceOf(EOFException.class)
        .hasMessage("Expected 8 bytes, but got 5");
  }
}
