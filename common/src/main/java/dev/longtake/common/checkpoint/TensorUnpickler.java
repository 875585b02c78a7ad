package dev.longtake.common.checkpoint;

import dev.longtake.common.checkpoint.PickledTensor.Storage;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.common.tensor.DType;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import net.razorvine.pickle.Opcodes;
import net.razorvine.pickle.PickleException;
import net.razorvine.pickle.PickleUtils;
import net.razorvine.pickle.Unpickler;
import org.jspecify.annotations.Nullable;

/**
 * Reads pickles of tensors in plain containers, and nothing else. A pickle is a program that may call any function of the
 * machine it is loaded on; of that, only what PyTorch itself writes for a state dict is understood here: names of
 * functions stand for constants of ours, nothing is looked up and nothing is executed. Lengths are checked against what
 * is left before anything is allocated for them. For one pickle and one thread.
 */
final class TensorUnpickler extends Unpickler {
  /** Of the pickle without the tensors' data: some hundred bytes per tensor. */
  static final int MAX_BYTES = 32 << 20;

  /** Each costs up to a hundred bytes of heap; a tensor takes about forty. */
  private static final int MAX_OPCODES = 2_000_000;

  private static final int MAX_AXES = 64;

  /** What may be called, by what it makes. */
  private enum Function {
    TENSOR,
    PARAMETER,
    ORDERED_DICT,
    NAMESPACE
  }

  /** Arguments of a training script, which are of no interest and never looked into. */
  private enum Opaque {
    NAMESPACE
  }

  private static final Map<String, Object> GLOBALS =
      Map.ofEntries(
          Map.entry("torch._utils._rebuild_tensor_v2", Function.TENSOR),
          Map.entry("torch._utils._rebuild_parameter", Function.PARAMETER),
          Map.entry("collections.OrderedDict", Function.ORDERED_DICT),
          Map.entry("argparse.Namespace", Function.NAMESPACE),
          Map.entry("torch.DoubleStorage", DType.F64),
          Map.entry("torch.FloatStorage", DType.F32),
          Map.entry("torch.BFloat16Storage", DType.BF16),
          Map.entry("torch.HalfStorage", DType.F16),
          Map.entry("torch.LongStorage", DType.I64),
          Map.entry("torch.IntStorage", DType.I32),
          Map.entry("torch.ShortStorage", DType.I16),
          Map.entry("torch.CharStorage", DType.I8),
          Map.entry("torch.ByteStorage", DType.U8),
          Map.entry("torch.BoolStorage", DType.BOOL));

  private final String where;
  private int opcodes;

  /**
   * For one pickle.
   *
   * @param where what error messages call it
   */
  TensorUnpickler(String where) {
    this.where = where;
  }

  /**
   * What the pickle holds: {@link Map}, {@link List}, {@code Object[]}, {@link String}, {@link Number}, {@link Boolean},
   * {@link PickledTensor}, null, or something to ignore. Containers may hold themselves.
   *
   * @throws LongtakeException INVALID_CHECKPOINT when it refers to anything else, or is damaged
   */
  @Nullable Object read(byte[] pickle) {
    try {
      return load(new ByteArrayInputStream(pickle));
    } catch (LongtakeException e) {
      throw e;
    } catch (RuntimeException | IOException e) {
      // The library trusts its input: damage shows as an empty stack, a wrong cast or a bad number.
      throw new LongtakeException(
          ErrorCode.INVALID_CHECKPOINT,
          "Expected a pickle of tensors in %s, but it makes no sense after %d operations (%s); the file is damaged, fetch it again"
              .formatted(where, opcodes, Quoted.line(e.toString())),
          e);
    }
  }

  @Override
  protected Object dispatch(short key) throws IOException {
    if (++opcodes > MAX_OPCODES) {
      throw invalid(
          "at most %d operations in ".formatted(MAX_OPCODES),
          "there are more; save the state dict alone");
    }
    switch (key) {
      case Opcodes.GLOBAL -> {
        String module = PickleUtils.readline(input);
        stack.add(global(module, PickleUtils.readline(input)));
      }
      case Opcodes.STACK_GLOBAL -> {
        String name = (String) stack.pop();
        stack.add(global((String) stack.pop(), name));
      }
      case Opcodes.INST -> {
        String module = PickleUtils.readline(input);
        throw refused(module + "." + PickleUtils.readline(input));
      }
      case Opcodes.REDUCE, Opcodes.NEWOBJ -> {
        Object[] arguments = (Object[]) stack.pop();
        stack.add(construct((Function) stack.pop(), arguments));
      }
      case Opcodes.BUILD -> build();
      case Opcodes.SETITEM -> {
        Object value = stack.pop();
        Object name = stack.pop();
        put(topMap(), name, value);
      }
      case Opcodes.SETITEMS -> {
        List<Object> items = stack.pop_all_since_marker();
        Map<@Nullable Object, @Nullable Object> map = topMap();
        for (int i = 0; i < items.size(); i += 2) {
          put(map, items.get(i), items.get(i + 1));
        }
      }
      // The library trims the list after each, which takes quadratic time.
      case Opcodes.APPENDS -> {
        List<Object> items = stack.pop_all_since_marker();
        @SuppressWarnings("unchecked")
        List<Object> list = (ArrayList<Object>) stack.peek();
        list.addAll(items);
      }
      case Opcodes.LONG4, Opcodes.BINSTRING, Opcodes.BINUNICODE, Opcodes.BINBYTES -> {
        requireRemaining(Integer.BYTES);
        return super.dispatch(key);
      }
      case Opcodes.BINUNICODE8, Opcodes.BINBYTES8 -> {
        requireRemaining(Long.BYTES);
        return super.dispatch(key);
      }
      case Opcodes.MARK,
          Opcodes.STOP,
          Opcodes.PROTO,
          Opcodes.FRAME,
          Opcodes.NONE,
          Opcodes.NEWTRUE,
          Opcodes.NEWFALSE,
          Opcodes.BININT,
          Opcodes.BININT1,
          Opcodes.BININT2,
          Opcodes.LONG1,
          Opcodes.BINFLOAT,
          Opcodes.SHORT_BINSTRING,
          Opcodes.SHORT_BINUNICODE,
          Opcodes.SHORT_BINBYTES,
          Opcodes.EMPTY_TUPLE,
          Opcodes.TUPLE,
          Opcodes.TUPLE1,
          Opcodes.TUPLE2,
          Opcodes.TUPLE3,
          Opcodes.EMPTY_LIST,
          Opcodes.APPEND,
          Opcodes.EMPTY_DICT,
          Opcodes.BINPERSID,
          Opcodes.BINGET,
          Opcodes.LONG_BINGET,
          Opcodes.BINPUT,
          Opcodes.LONG_BINPUT,
          Opcodes.MEMOIZE -> {
        return super.dispatch(key);
      }
      default ->
          throw invalid(
              "only tensors and plain containers in ",
              "its operation %d has the code %d, which those don't need; save the state dict alone, with torch.save"
                  .formatted(opcodes, key));
    }
    return NO_RETURN_VALUE;
  }

  /** A storage, as PyTorch's writer names it: ("storage", type, key, device, elements). */
  @Override
  protected Object persistentLoad(Object id) {
    Object[] parts = (Object[]) id;
    if (parts.length != 5 || !"storage".equals(parts[0])) {
      throw new PickleException("a persistent id that is no storage");
    }
    return new Storage((DType) parts[1], (String) parts[2], integer(parts[4]));
  }

  private Object global(String module, String name) {
    Object known = GLOBALS.get(module + "." + name);
    if (known == null) {
      throw refused(module + "." + name);
    }
    return known;
  }

  private static Object construct(Function function, Object[] arguments) {
    return switch (function) {
      case TENSOR -> tensor(arguments);
      // The second says whether it was trained.
      case PARAMETER -> (PickledTensor) arguments[0];
      case ORDERED_DICT -> orderedDict(arguments);
      case NAMESPACE -> Opaque.NAMESPACE;
    };
  }

  /** Arguments: storage, offset, shape, strides, and flags for training. */
  private static PickledTensor tensor(Object[] arguments) {
    List<Long> shape = integers(arguments[2]);
    List<Long> strides = integers(arguments[3]);
    if (shape.size() != strides.size() || shape.size() > MAX_AXES) {
      throw new PickleException(
          "a tensor of %d axes with %d strides".formatted(shape.size(), strides.size()));
    }
    return new PickledTensor((Storage) arguments[0], integer(arguments[1]), shape, strides);
  }

  private static Map<@Nullable Object, @Nullable Object> orderedDict(Object[] arguments) {
    Map<@Nullable Object, @Nullable Object> map = new HashMap<>();
    if (arguments.length > 0) {
      for (Object item : (List<?>) arguments[0]) {
        Object[] pair = item instanceof List<?> list ? list.toArray() : (Object[]) item;
        put(map, pair[0], pair[1]);
      }
    }
    return map;
  }

  /** Attributes of a dictionary (versions of layers) and arguments of a script: dropped. */
  private void build() {
    stack.pop();
    Object target = stack.peek();
    if (!(target instanceof Map) && target != Opaque.NAMESPACE) {
      throw new PickleException("a state for something that has none");
    }
  }

  private Map<@Nullable Object, @Nullable Object> topMap() {
    @SuppressWarnings("unchecked")
    Map<@Nullable Object, @Nullable Object> map =
        (Map<@Nullable Object, @Nullable Object>) stack.peek();
    return map;
  }

  /** What else is no key: the hash of a container would follow references in circles, that of a huge number takes long. */
  private static void put(
      Map<@Nullable Object, @Nullable Object> map, @Nullable Object key, @Nullable Object value) {
    switch (key) {
      case null -> {}
      case String _, Integer _, Long _, Double _, Boolean _, Object[] _ -> {}
      default -> throw new PickleException("a key that is no text, number or tuple");
    }
    map.put(key, value);
  }

  private static List<Long> integers(Object tuple) {
    return Arrays.stream((Object[]) tuple).map(TensorUnpickler::integer).toList();
  }

  private static long integer(Object value) {
    if (value instanceof Integer || value instanceof Long) {
      return ((Number) value).longValue();
    }
    throw new PickleException("something else than an integer of 64 bits");
  }

  /** Complains when a length that comes next is more than what is left. */
  private void requireRemaining(int lengthBytes) throws IOException {
    input.mark(lengthBytes);
    byte[] prefix = PickleUtils.readbytes(input, lengthBytes);
    input.reset();
    ByteBuffer buffer = ByteBuffer.wrap(prefix).order(ByteOrder.LITTLE_ENDIAN);
    long length =
        lengthBytes == Integer.BYTES ? Integer.toUnsignedLong(buffer.getInt()) : buffer.getLong();
    if (length < 0 || length > input.available() - lengthBytes) {
      throw invalid(
          "a text of at most the %d bytes that are left in "
              .formatted(input.available() - lengthBytes),
          "its length is given as %s; the file is damaged, fetch it again"
              .formatted(Long.toUnsignedString(length)));
    }
  }

  private LongtakeException refused(String global) {
    return invalid(
        "only tensors and plain containers in ",
        "it refers to %s, which is not called; save the state dict alone, with torch.save"
            .formatted(Quoted.of(global)));
  }

  private LongtakeException invalid(String expected, String found) {
    return new LongtakeException(
        ErrorCode.INVALID_CHECKPOINT, "Expected " + expected + where + ", but " + found);
  }
}
