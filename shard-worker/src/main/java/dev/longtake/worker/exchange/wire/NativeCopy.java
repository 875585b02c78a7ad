package dev.longtake.worker.exchange.wire;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Objects;

/**
 * C's {@code memcpy}. Where memory is not in the caches it is up to twice as fast as Java's own copy, which reads each line of the target
 * before it writes it.
 */
@SuppressWarnings("restricted") // a native call is what this class is for
final class NativeCopy {
  // Addresses as numbers: no objects are created per call.
  private static final MethodHandle MEMCPY =
      Linker.nativeLinker()
          .downcallHandle(
              Linker.nativeLinker().defaultLookup().findOrThrow("memcpy"),
              FunctionDescriptor.ofVoid(
                  ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG),
              Linker.Option.critical(/* allowHeapAccess= */ false));

  private NativeCopy() {}

  /**
   * Copies bytes. Both segments' memory must stay allocated meanwhile: a call is no use that would keep it.
   *
   * @param bytes few, since Java's garbage collector waits for the call
   */
  static void copy(
      MemorySegment source, long sourceOffset, MemorySegment target, long targetOffset, int bytes) {
    if (!source.isNative() || !target.isNative()) {
      MemorySegment.copy(source, sourceOffset, target, targetOffset, bytes);
      return;
    }
    Objects.checkFromIndexSize(sourceOffset, bytes, source.byteSize());
    Objects.checkFromIndexSize(targetOffset, bytes, target.byteSize());
    try {
      MEMCPY.invokeExact(
          target.address() + targetOffset, source.address() + sourceOffset, (long) bytes);
    } catch (Throwable e) {
      throw new AssertionError("memcpy throws nothing", e);
    }
  }
}
