package dev.longtake.common.checkpoint;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Finds the model's tensors in what a training script has saved. */
final class StateDict {
  /** Averaged weights come first: they are what samples are made with. */
  private static final List<String> PLACES = List.of("ema", "state_dict", "model", "module");

  /** What data-parallel training puts in front of every name. */
  private static final String WRAPPER = "module.";

  private static final int MAX_DEPTH = 4;

  private StateDict() {}

  /**
   * The tensors of the state dict, which is the saved object itself, or under one of the names that training scripts use.
   *
   * @param where what error messages call the file
   */
  static SortedMap<String, PickledTensor> find(@Nullable Object saved, String where) {
    Object candidate = saved;
    for (int depth = 0; depth < MAX_DEPTH && candidate instanceof Map<?, ?> map; depth++) {
      SortedMap<String, PickledTensor> tensors = tensors(map);
      if (!tensors.isEmpty()) {
        return unwrapped(tensors);
      }
      candidate = place(map).orElse(null);
    }
    throw new LongtakeException(
        ErrorCode.INVALID_CHECKPOINT,
        "Expected tensors in %s, at the top or under %s, but there %s; save the state dict alone, with torch.save"
            .formatted(
                where,
                PLACES.stream().map(Quoted::of).collect(Collectors.joining(", ")),
                found(saved)));
  }

  private static String found(@Nullable Object saved) {
    return saved instanceof Map<?, ?> map
        ? "are " + Quoted.line(names(map).toString()) + " without any"
        : "is no dictionary";
  }

  private static List<String> names(Map<?, ?> map) {
    return map.keySet().stream()
        .filter(String.class::isInstance)
        .map(String.class::cast)
        .sorted()
        .limit(8)
        .toList();
  }

  private static Optional<Map<?, ?>> place(Map<?, ?> map) {
    for (String name : PLACES) {
      if (map.get(name) instanceof Map<?, ?> inner) {
        return Optional.of(inner);
      }
    }
    return Optional.empty();
  }

  private static SortedMap<String, PickledTensor> tensors(Map<?, ?> map) {
    SortedMap<String, PickledTensor> tensors = new TreeMap<>();
    map.forEach((name, value) -> {
      if (name instanceof String text && value instanceof PickledTensor tensor) {
        tensors.put(text, tensor);
      }
    });
    return tensors;
  }

  private static SortedMap<String, PickledTensor> unwrapped(
      SortedMap<String, PickledTensor> tensors) {
    if (!tensors.keySet().stream().allMatch(name -> name.startsWith(WRAPPER))) {
      return tensors;
    }
    SortedMap<String, PickledTensor> unwrapped = new TreeMap<>();
    tensors.forEach((name, tensor) -> unwrapped.put(name.substring(WRAPPER.length()), tensor));
    return unwrapped;
  }
}
