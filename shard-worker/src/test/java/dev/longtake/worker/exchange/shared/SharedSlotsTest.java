package dev.longtake.worker.exchange.shared;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import dev.longtake.v1.ExchangeSharedMemory;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Both ends in one process; between processes they are tested by the exchange's benchmark. */
@EnabledOnOs(OS.LINUX)
final class SharedSlotsTest {
  private static final int SLOTS = 3;
  private static final int SLOT_BYTES = 5000;

  private static SharedSlots slots() {
    return requireNonNull(SharedSlots.create(SLOTS, SLOT_BYTES));
  }

  @Test
  void shouldShowReceiverWhatSenderWroteEvenWhenSenderHasClosedIt() {
    SharedSlots slots = slots();
    SharedView view = requireNonNull(SharedView.open(slots.offer()));
    long first = slots.take(10);
    long second = slots.take(SLOT_BYTES);
    slots.at(first, 10).fill((byte) 1);
    slots.at(second, SLOT_BYTES).fill((byte) 2);
    slots.close();
    assertThat(view.at(first, 10).toArray(ValueLayout.JAVA_BYTE)).containsOnly(1);
    assertThat(view.at(second, SLOT_BYTES).toArray(ValueLayout.JAVA_BYTE)).containsOnly(2);
    view.letGo();
  }

  @Test
  void shouldCloseViewWhenTheLastOneLetsGo() {
    try (SharedSlots slots = slots()) {
      SharedView view = requireNonNull(SharedView.open(slots.offer()));
      long slot = slots.take(1);
      view.hold();
      view.letGo();
      MemorySegment chunk = view.at(slot, 1);
      assertThat(chunk.get(ValueLayout.JAVA_BYTE, 0)).isZero();
      view.letGo();
      assertThatThrownBy(() -> chunk.get(ValueLayout.JAVA_BYTE, 0))
          .isInstanceOf(IllegalStateException.class);
    }
  }

  @Test
  void shouldGiveEverySlotOnceUntilItIsFree() {
    try (SharedSlots slots = slots()) {
      List<Long> taken = Stream.generate(() -> slots.take(SLOT_BYTES)).limit(SLOTS).toList();
      assertThat(taken).doesNotHaveDuplicates().doesNotContain(-1L);
      assertThat(slots.take(1)).as("none is free").isEqualTo(-1);
      slots.free(taken.get(1));
      slots.free(-1);
      slots.free(Long.MAX_VALUE);
      assertThat(slots.take(1)).isEqualTo(taken.get(1));
      assertThat(slots.take(1)).isEqualTo(-1);
    }
    try (SharedSlots slots = slots()) {
      assertThat(slots.take(SLOT_BYTES + 1)).as("too large").isEqualTo(-1);
    }
  }

  @Test
  void shouldNotOpenWhatIsNotTheMemoryThatWasMeant() {
    try (SharedSlots slots = slots();
        SharedSlots others = slots()) {
      ExchangeSharedMemory offer = slots.offer();
      long noProcess = (1L << 31) - 1;
      for (ExchangeSharedMemory wrong :
          List.of(
              offer.toBuilder().setHost("another").build(),
              offer.toBuilder().clearHost().build(),
              offer.toBuilder().setFile(others.offer().getFile()).build(),
              offer.toBuilder().setFile(1 << 20).build(),
              offer.toBuilder().setProcess(noProcess).build(),
              offer.toBuilder().setBytes(offer.getBytes() - 1).build(),
              offer.toBuilder().setBytes(offer.getBytes() + 1).build(),
              offer.toBuilder().setBytes(0).build(),
              offer.toBuilder().setToken(ByteString.copyFrom(new byte[16])).build(),
              offer.toBuilder().clearToken().build())) {
        assertThat(SharedView.open(wrong)).as("%s", wrong).isNull();
      }
    }
  }

  @Test
  @Timeout(value = 20, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void shouldNotWaitForWriterWhenAFifoHasTheNumberOfTheFile(@TempDir Path folder) throws Exception {
    // Its descriptor 4 is a FIFO that nobody writes to: whoever opens that waits for a writer.
    String script = "mkfifo \"$0\"; exec 3<>\"$0\"; exec 4<\"$0\" 3>&-; echo ready; exec sleep 60";
    Process process =
        new ProcessBuilder("sh", "-c", script, folder.resolve("fifo").toString()).start();
    try (SharedSlots slots = slots()) {
      assertThat(process.inputReader().readLine()).isEqualTo("ready");
      ExchangeSharedMemory fifo =
          slots.offer().toBuilder().setProcess(process.pid()).setFile(4).build();
      assertThat(SharedView.open(fifo)).isNull();
    } finally {
      process.destroyForcibly().waitFor();
    }
  }

  @Test
  void shouldTellWhetherAChunkCanLieThere() {
    try (SharedSlots slots = slots()) {
      SharedView view = requireNonNull(SharedView.open(slots.offer()));
      long end = slots.offer().getBytes();
      assertThat(view.contains(end - SLOT_BYTES, SLOT_BYTES)).isTrue();
      assertThat(view.contains(end - SLOT_BYTES + 1, SLOT_BYTES)).isFalse();
      assertThat(view.contains(0, 16)).as("the token").isFalse();
      assertThat(view.contains(-1, 1)).isFalse();
      assertThat(view.contains(Long.MAX_VALUE, 1)).isFalse();
      assertThat(view.contains(end - 1, 0)).isFalse();
      assertThat(view.contains(end - 1, -1)).isFalse();
      view.letGo();
    }
  }

  @Test
  void shouldLeaveNoFileOpenWhenClosed() throws IOException {
    slots().close();
    long before = memoryFiles();
    for (int i = 0; i < 100; i++) {
      try (SharedSlots slots = slots()) {
        requireNonNull(SharedView.open(slots.offer())).letGo();
      }
    }
    assertThat(memoryFiles()).isEqualTo(before);
  }

  private static long memoryFiles() throws IOException {
    try (Stream<Path> files = Files.list(Path.of("/proc/self/fd"))) {
      return files.filter(SharedSlotsTest::isMemoryFile).count();
    }
  }

  private static boolean isMemoryFile(Path file) {
    try {
      return MemoryFile.isOne(file);
    } catch (IOException e) {
      // Closed meanwhile.
      return false;
    }
  }
}
