package dev.longtake.worker.device.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import org.bytedeco.javacpp.Loader;
import org.jspecify.annotations.Nullable;

/**
 * The part of oneDNN's C interface that matrix products need, called directly: the generated Java classes allocate objects
 * with finalisation per call, and their memory accounting can refuse calls. The classes' loader still brings the library, 30 MB of it: whoever computes without
 * oneDNN must not touch this class.
 *
 * <p>Handles are raw addresses. Whoever creates one destroys it with the matching method.
 */
@SuppressWarnings("restricted") // native memory and calls are what this class is for
final class Dnnl {
  // Values of the enumerations in dnnl_types.h and dnnl_common_types.h.
  static final int BF16 = 2;
  static final int F32 = 3;
  static final int ARG_SRC = 1;
  static final int ARG_DST = 17;
  static final int ARG_WEIGHTS = 33;
  static final int ARG_BIAS = 41;
  static final int ARG_SCRATCHPAD = 80;
  private static final int ENGINE_CPU = 1;
  private static final int STREAM_IN_ORDER = 1;
  private static final int TAG_ANY = 1;
  private static final int SCRATCHPAD_USER = 1;
  private static final int QUERY_WEIGHTS = 131;
  private static final int QUERY_SCRATCHPAD = 136;
  private static final int QUERY_STRIDES = 14;
  private static final int QUERY_FORMAT_KIND = 262;
  private static final int QUERY_INNER_COUNT = 263;
  private static final int QUERY_INNER_SIZES = 264;
  private static final int QUERY_INNER_AXES = 265;
  private static final int FORMAT_BLOCKED = 2;
  private static final int ISA_AVX2_VNNI_2 = 0x1f;
  private static final int ISA_AVX512_BF16 = 0xe7;

  /** {@code struct { int arg; dnnl_memory_t memory; }}. */
  private static final long ARGUMENT_BYTES = 16;

  private static final MemorySegment NULL = MemorySegment.NULL;
  private static final Linker LINKER = Linker.nativeLinker();
  private static final SymbolLookup LIBRARY = load();

  private static final MethodHandle ENGINE_CREATE =
      status("dnnl_engine_create", ADDRESS, JAVA_INT, JAVA_LONG);
  private static final MethodHandle ENGINE_DESTROY = status("dnnl_engine_destroy", ADDRESS);
  private static final MethodHandle STREAM_CREATE =
      status("dnnl_stream_create", ADDRESS, ADDRESS, JAVA_INT);
  private static final MethodHandle STREAM_DESTROY = status("dnnl_stream_destroy", ADDRESS);
  private static final MethodHandle ATTR_CREATE = status("dnnl_primitive_attr_create", ADDRESS);
  private static final MethodHandle ATTR_SCRATCHPAD =
      status("dnnl_primitive_attr_set_scratchpad_mode", ADDRESS, JAVA_INT);
  private static final MethodHandle ATTR_DESTROY = status("dnnl_primitive_attr_destroy", ADDRESS);
  private static final MethodHandle DESC_STRIDES =
      status("dnnl_memory_desc_create_with_strides", ADDRESS, JAVA_INT, ADDRESS, JAVA_INT, ADDRESS);
  private static final MethodHandle DESC_TAG =
      status("dnnl_memory_desc_create_with_tag", ADDRESS, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);
  private static final MethodHandle DESC_CLONE = status("dnnl_memory_desc_clone", ADDRESS, ADDRESS);
  private static final MethodHandle DESC_DESTROY = status("dnnl_memory_desc_destroy", ADDRESS);
  private static final MethodHandle DESC_SIZE =
      function("dnnl_memory_desc_get_size", FunctionDescriptor.of(JAVA_LONG, ADDRESS));
  private static final MethodHandle DESC_QUERY =
      status("dnnl_memory_desc_query", ADDRESS, JAVA_INT, ADDRESS);
  private static final MethodHandle MATMUL_DESC =
      status(
          "dnnl_matmul_primitive_desc_create",
          ADDRESS,
          ADDRESS,
          ADDRESS,
          ADDRESS,
          ADDRESS,
          ADDRESS,
          ADDRESS);
  private static final MethodHandle QUERY_DESC =
      function(
          "dnnl_primitive_desc_query_md",
          FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_INT, JAVA_INT));
  private static final MethodHandle PRIMITIVE_DESC_DESTROY =
      status("dnnl_primitive_desc_destroy", ADDRESS);
  private static final MethodHandle PRIMITIVE_CREATE =
      status("dnnl_primitive_create", ADDRESS, ADDRESS);
  private static final MethodHandle PRIMITIVE_DESTROY = status("dnnl_primitive_destroy", ADDRESS);
  private static final MethodHandle PRIMITIVE_EXECUTE =
      status("dnnl_primitive_execute", ADDRESS, ADDRESS, JAVA_INT, ADDRESS);
  private static final MethodHandle MEMORY_CREATE =
      status("dnnl_memory_create", ADDRESS, ADDRESS, ADDRESS, ADDRESS);
  private static final MethodHandle MEMORY_SET =
      status("dnnl_memory_set_data_handle", ADDRESS, ADDRESS);
  private static final MethodHandle MEMORY_DESTROY = status("dnnl_memory_destroy", ADDRESS);
  private static final MethodHandle ISA =
      function("dnnl_get_effective_cpu_isa", FunctionDescriptor.of(JAVA_INT));
  private static final @Nullable MethodHandle OMP_SET_THREADS =
      LIBRARY
          .find("omp_set_num_threads")
          .map(symbol -> LINKER.downcallHandle(symbol, FunctionDescriptor.ofVoid(JAVA_INT)))
          .orElse(null);

  private Dnnl() {}

  private static SymbolLookup load() {
    Loader.load(org.bytedeco.dnnl.global.dnnl.class);
    return SymbolLookup.loaderLookup();
  }

  private static MethodHandle status(String name, MemoryLayout... parameters) {
    return function(name, FunctionDescriptor.of(JAVA_INT, parameters));
  }

  private static MethodHandle function(String name, FunctionDescriptor descriptor) {
    return LINKER.downcallHandle(LIBRARY.findOrThrow(name), descriptor);
  }

  /**
   * Keeps calls of this thread from starting threads of their own: the device divides the work itself. No effect when the
   * library was built without OpenMP.
   */
  static void singleThreaded() {
    if (OMP_SET_THREADS != null) {
      try {
        OMP_SET_THREADS.invokeExact(1);
      } catch (Throwable e) {
        throw unexpected(e);
      }
    }
  }

  /** Whether the processor multiplies bfloat16. */
  static boolean hasBfloat16() {
    return has(ISA_AVX512_BF16) || has(ISA_AVX2_VNNI_2);
  }

  private static boolean has(int instructions) {
    try {
      return ((int) ISA.invokeExact() & instructions) == instructions;
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static MemorySegment engine() {
    return create("engine", out -> (int) ENGINE_CREATE.invokeExact(out, ENGINE_CPU, 0L));
  }

  static void destroyEngine(MemorySegment engine) {
    check("destroy engine", () -> (int) ENGINE_DESTROY.invokeExact(engine));
  }

  static MemorySegment stream(MemorySegment engine) {
    return create("stream", out -> (int) STREAM_CREATE.invokeExact(out, engine, STREAM_IN_ORDER));
  }

  static void destroyStream(MemorySegment stream) {
    check("destroy stream", () -> (int) STREAM_DESTROY.invokeExact(stream));
  }

  /** Describes a matrix by its strides in elements. */
  static MemorySegment matrix(
      long rows, long columns, int type, long rowStride, long columnStride) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment dims = arena.allocateFrom(JAVA_LONG, rows, columns);
      MemorySegment strides = arena.allocateFrom(JAVA_LONG, rowStride, columnStride);
      return create(
          "memory descriptor", out -> (int) DESC_STRIDES.invokeExact(out, 2, dims, type, strides));
    }
  }

  /** Describes a matrix in whatever layout the primitive likes best. */
  static MemorySegment anyLayout(long rows, long columns, int type) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment dims = arena.allocateFrom(JAVA_LONG, rows, columns);
      return create(
          "memory descriptor", out -> (int) DESC_TAG.invokeExact(out, 2, dims, type, TAG_ANY));
    }
  }

  static void destroyDescriptor(MemorySegment descriptor) {
    check("destroy memory descriptor", () -> (int) DESC_DESTROY.invokeExact(descriptor));
  }

  static long sizeBytes(MemorySegment descriptor) {
    try {
      return (long) DESC_SIZE.invokeExact(descriptor);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * A layout of a matrix as nested blocks.
   *
   * @param strides from one outermost block to the next along each axis, in elements
   * @param sizes of the blocks inside, from the outermost to the innermost
   * @param axes 0 or 1: along which each of them lies
   */
  record Blocks(long[] strides, long[] sizes, long[] axes) {}

  /** How a matrix is laid out. */
  static Blocks blocks(MemorySegment descriptor) {
    int kind = queryInt(descriptor, QUERY_FORMAT_KIND);
    if (kind != FORMAT_BLOCKED) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected oneDNN to keep weights in blocks, but it wants format kind " + kind);
    }
    int count = queryInt(descriptor, QUERY_INNER_COUNT);
    return new Blocks(
        queryLongs(descriptor, QUERY_STRIDES, 2),
        queryLongs(descriptor, QUERY_INNER_SIZES, count),
        queryLongs(descriptor, QUERY_INNER_AXES, count));
  }

  private static int queryInt(MemorySegment descriptor, int what) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(JAVA_INT);
      check("describe memory", () -> (int) DESC_QUERY.invokeExact(descriptor, what, out));
      return out.get(JAVA_INT, 0);
    }
  }

  private static long[] queryLongs(MemorySegment descriptor, int what, int count) {
    MemorySegment list =
        create("description", out -> (int) DESC_QUERY.invokeExact(descriptor, what, out));
    return list.reinterpret((long) count * Long.BYTES).toArray(JAVA_LONG);
  }

  /**
   * A primitive descriptor of {@code dst = src * weights + bias} that takes its scratchpad from the caller: the library's
   * own is shared between threads.
   *
   * @param bias null for none
   */
  static MemorySegment matmul(
      MemorySegment engine,
      MemorySegment src,
      MemorySegment weights,
      @Nullable MemorySegment bias,
      MemorySegment dst) {
    MemorySegment attributes = create("attributes", out -> (int) ATTR_CREATE.invokeExact(out));
    try {
      check("attribute", () -> (int) ATTR_SCRATCHPAD.invokeExact(attributes, SCRATCHPAD_USER));
      MemorySegment biasOrNull = bias == null ? NULL : bias;
      return create(
          "matmul",
          out ->
              (int)
                  MATMUL_DESC.invokeExact(out, engine, src, weights, biasOrNull, dst, attributes));
    } finally {
      check("destroy attributes", () -> (int) ATTR_DESTROY.invokeExact(attributes));
    }
  }

  /** The layout of the weights that a matmul wants, as a copy. */
  static MemorySegment weightsOf(MemorySegment primitiveDescriptor) {
    MemorySegment layout = query(primitiveDescriptor, QUERY_WEIGHTS);
    return create("memory descriptor", out -> (int) DESC_CLONE.invokeExact(out, layout));
  }

  /** Belongs to the primitive descriptor. */
  static MemorySegment scratchpadOf(MemorySegment primitiveDescriptor) {
    return query(primitiveDescriptor, QUERY_SCRATCHPAD);
  }

  private static MemorySegment query(MemorySegment primitiveDescriptor, int what) {
    try {
      return (MemorySegment) QUERY_DESC.invokeExact(primitiveDescriptor, what, 0);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static void destroyPrimitiveDescriptor(MemorySegment primitiveDescriptor) {
    check(
        "destroy primitive descriptor",
        () -> (int) PRIMITIVE_DESC_DESTROY.invokeExact(primitiveDescriptor));
  }

  static MemorySegment primitive(MemorySegment primitiveDescriptor) {
    return create("primitive", out -> (int) PRIMITIVE_CREATE.invokeExact(out, primitiveDescriptor));
  }

  static void destroyPrimitive(MemorySegment primitive) {
    check("destroy primitive", () -> (int) PRIMITIVE_DESTROY.invokeExact(primitive));
  }

  /** A memory object; {@link #bind} says where its data are. */
  static MemorySegment memory(MemorySegment engine, MemorySegment descriptor) {
    return create("memory", out -> (int) MEMORY_CREATE.invokeExact(out, descriptor, engine, NULL));
  }

  static void bind(MemorySegment memory, long address) {
    try {
      int status = (int) MEMORY_SET.invokeExact(memory, MemorySegment.ofAddress(address));
      check("set data", status);
    } catch (LongtakeException e) {
      throw e;
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  static void destroyMemory(MemorySegment memory) {
    check("destroy memory", () -> (int) MEMORY_DESTROY.invokeExact(memory));
  }

  /** The argument list of an execution: memory objects by their {@code ARG_} numbers. */
  static MemorySegment arguments(Arena arena, int[] kinds, MemorySegment[] memories) {
    MemorySegment list = arena.allocate(ARGUMENT_BYTES * kinds.length, Long.BYTES);
    for (int i = 0; i < kinds.length; i++) {
      list.set(JAVA_INT, ARGUMENT_BYTES * i, kinds[i]);
      list.set(ADDRESS, ARGUMENT_BYTES * i + Long.BYTES, memories[i]);
    }
    return list;
  }

  static void execute(MemorySegment primitive, MemorySegment stream, MemorySegment arguments) {
    int count = (int) (arguments.byteSize() / ARGUMENT_BYTES);
    try {
      int status = (int) PRIMITIVE_EXECUTE.invokeExact(primitive, stream, count, arguments);
      check("execute", status);
    } catch (LongtakeException e) {
      throw e;
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  @FunctionalInterface
  private interface Call {
    int status() throws Throwable;
  }

  @FunctionalInterface
  private interface Creation {
    int status(MemorySegment out) throws Throwable;
  }

  private static MemorySegment create(String what, Creation creation) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(ADDRESS);
      check("create " + what, () -> creation.status(out));
      return out.get(ADDRESS, 0);
    }
  }

  private static void check(String what, Call call) {
    try {
      check(what, call.status());
    } catch (LongtakeException e) {
      throw e;
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Statuses: 1 out of memory, 2 invalid arguments, 3 unimplemented, 4 last implementation reached, 5 runtime error. */
  private static void check(String what, int status) {
    if (status != 0) {
      throw new LongtakeException(
          status == 1 ? ErrorCode.OUT_OF_MEMORY : ErrorCode.INTERNAL,
          "Expected oneDNN to %s, but it answered status %d".formatted(what, status));
    }
  }

  private static AssertionError unexpected(Throwable e) {
    return new AssertionError("a native call throws nothing", e);
  }
}
