package dev.longtake.common.checkpoint;

import static dev.longtake.common.checkpoint.Invalid.assertInvalid;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Pickles written by hand: one character is one byte. */
final class TensorUnpicklerTest {
  private static final String START = "\u0080\u0002";
  private static final String STORAGE =
      "(\u008c\u0007storagectorch\nFloatStorage\n\u008c\u00010\u008c\u0003cpuK\u0004tQ";

  @Test
  void shouldReadPlainContainersAndNumbers() {
    assertThat(read("}(\u008c\u0001aK\u0007\u008c\u0001b](K\u0001Neu."))
        .asInstanceOf(InstanceOfAssertFactories.MAP)
        .containsEntry("a", 7)
        .containsKey("b");
    assertThat(read("](K\u0001M\u0000\u0001J\u00ff\u00ff\u00ff\u00ff\u0088\u0089Ne."))
        .isEqualTo(Arrays.asList(1, 256, -1, true, false, null));
    assertThat(read("ccollections\nOrderedDict\n]](\u008c\u0001kK\u0002ea\u0085R."))
        .isEqualTo(Map.of("k", 2));
  }

  @Test
  void shouldIgnoreWhatScriptsKeepBesides() {
    assertThat(read("}\u008c\u0001acargparse\nNamespace\n)\u0081}\u008c\u0001xK\u0001sbs."))
        .asInstanceOf(InstanceOfAssertFactories.MAP)
        .containsOnlyKeys("a");
  }

  @Test
  void shouldReadContainersThatHoldThemselves() {
    Object saved = read("}q\u0000\u008c\u0005modelh\u0000s.");
    assertInvalid(() -> StateDict.find(saved, "file")).hasMessageContaining("without any");
  }

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '~',
      value = {
        "GLOBAL,       ~cos\nsystem\n.~,                                os.system",
        "STACK_GLOBAL, ~\u008c\u0002os\u008c\u0006system\u0093.~,       os.system",
        "INST,         ~(ios\nsystem\n.~,                               os.system",
        "builtins,     ~c__builtin__\neval\n\u008c\u00011\u0085R.~,     __builtin__.eval",
        "getattr,      ~cbuiltins\ngetattr\n.~,                         builtins.getattr",
        "known module, ~ctorch\nload\n.~,                               torch.load",
        "split name,   ~ctorch._utils._rebuild_tensor_v2\n\n"
            + ".~,         torch._utils._rebuild_tensor_v2.",
        "known to lib, ~cdecimal\nDecimal\n\u008c\u00011\u0085R.~,      decimal.Decimal",
      })
  void shouldNameTheGlobalWhenItIsNotAllowed(String kind, String pickle, String global) {
    assertInvalid(() -> read(pickle)).as(kind).hasMessageContaining("refers to \"" + global);
  }

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '~',
      value = {
        "OBJ,          ~(ccollections\nOrderedDict\no.~,            111",
        "EXT1,         ~\u0082\u0001.~,                             130",
        "NEWOBJ_EX,    ~ccollections\nOrderedDict\n)}\u0092.~,      146",
        "PERSID,       ~Pstorage\n.~,                               80",
        "set,          ~\u008f.~,                                   143",
        "text numbers, ~I1\n.~,                                     73",
        "DUP,          ~N2.~,                                       50",
        "POP_MARK,     ~(1.~,                                       49",
        "NEXT_BUFFER,  ~\u0097.~,                                   151",
        "BYTEARRAY8,   ~\u0096\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000.~, 150",
      })
  void shouldRefuseOperationsThatStateDictsDoNotNeed(String kind, String pickle, String code) {
    assertInvalid(() -> read(pickle)).as(kind).hasMessageContaining("has the code " + code + ",");
  }

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '~',
      value = {
        "empty,            ~~",
        "no end,           ~N~",
        "empty stack,      ~.~",
        "no mark,          ~NNt.~",
        "call of a type,   ~ctorch\nFloatStorage\n)R.~",
        "call of a dict,   ~})R.~",
        "no arguments,     ~ctorch._utils\n_rebuild_tensor_v2\n)R.~",
        "no such memo,     ~h\u0007.~",
        "list as key,      ~}q\u0000]q\u0001K\u0001s.~",
        "huge key,        "
            + " ~}\u008a\u0009\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001K\u0001s.~",
        "type as key,      ~}ctorch\nFloatStorage\nK\u0001s.~",
        "dict as key,      ~}}K\u0001s.~",
        "key alone,        ~}(K\u0001u.~",
        "state of a list,  ~]}b.~",
        "no storage,       ~(\u008c\u0006socketK\u0001K\u0001K\u0001K\u0001tQ.~",
        "protocol 9,       ~\u0080\u0009.~",
        "short number,     ~J\u0000~",
        "short text,       ~\u008c\u0007abc~",
      })
  void shouldRefuseWhenPickleMakesNoSense(String kind, String pickle) {
    assertInvalid(() -> read(pickle)).as(kind).hasMessageContaining("makes no sense");
  }

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '~',
      value = {
        "BINUNICODE,  ~X\u00ff\u00ff\u00ff\u007fab~,                                 2147483647",
        "negative,    ~X\u00ff\u00ff\u00ff\u00ffab~,                                 4294967295",
        "BINBYTES,    ~B\u0003\u0000\u0000\u0000ab~,                                 3",
        "BINSTRING,   ~T\u0000\u0000\u0000@ab~,                                 1073741824",
        "LONG4,       ~\u008b\u00ff\u00ff\u00ff\u007fab~,                            2147483647",
        "BINUNICODE8, ~\u008d\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ffab~,   "
            + " 18446744073709551615",
        "BINBYTES8,   ~\u008e\u00ff\u00ff\u00ff\u007f\u0000\u0000\u0000\u0000ab~,    2147483647",
      })
  void shouldRefuseForgedLengthsBeforeAllocating(String kind, String pickle, String length) {
    assertInvalid(() -> read(pickle))
        .as(kind)
        .hasMessageContaining("the 2 bytes that are left")
        .hasMessageContaining("length is given as " + length);
  }

  @Test
  void shouldRefuseWhenThereAreTooManyOperations() {
    assertInvalid(() -> read("}".repeat(20_000_000))).hasMessageContaining("2000000 operations");
    assertInvalid(() -> read("}q\u0000\u0085".repeat(5_000_000)))
        .hasMessageContaining("2000000 operations");
  }

  @Test
  void shouldReadDeepNestingWithoutRecursion() {
    String deep = "](".repeat(400_000) + "e".repeat(400_000);
    assertThat(read("}\u008c\u0001a" + deep + "s.")).isInstanceOf(Map.class);
  }

  @Test
  void shouldRefuseWhenStridesDoNotBelongToTheShape() {
    assertInvalid(() ->
            read(
                "ctorch._utils\n_rebuild_tensor_v2\n("
                    + STORAGE
                    + "K\u0000K\u0001\u0085K\u0001K\u0001\u0086\u0089NtR."))
        .hasMessageContaining("a tensor of 1 axes with 2 strides");
  }

  @Test
  void shouldReadTensors() {
    assertThat(
            read(
                "ctorch._utils\n_rebuild_tensor_v2\n("
                    + STORAGE
                    + "K\u0001K\u0003\u0085K\u0001\u0085\u0089NtR."))
        .isInstanceOfSatisfying(
            PickledTensor.class,
            tensor -> {
              assertThat(tensor.offset()).isEqualTo(1);
              assertThat(tensor.shape()).isEqualTo(List.of(3L));
              assertThat(tensor.isContiguous()).isTrue();
            });
  }

  private static @Nullable Object read(String pickle) {
    return new TensorUnpickler("file").read((START + pickle).getBytes(StandardCharsets.ISO_8859_1));
  }
}
