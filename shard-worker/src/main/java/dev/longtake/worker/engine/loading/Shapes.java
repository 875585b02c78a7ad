package dev.longtake.worker.engine.loading;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.checkpoint.TensorInfo;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sizes of a checkpoint's tensors. */
final class Shapes {
  private final Checkpoint checkpoint;

  Shapes(Checkpoint checkpoint) {
    this.checkpoint = checkpoint;
  }

  Checkpoint checkpoint() {
    return checkpoint;
  }

  boolean has(String name) {
    return checkpoint.info(name).isPresent();
  }

  /** How many axes a tensor has. */
  int axes(String name) {
    return require(name).shape().size();
  }

  /** The size of an axis, at least 1. */
  int size(String name, int axis) {
    TensorInfo info = require(name);
    long size = axis < info.shape().size() ? info.shape().get(axis) : 0;
    if (size < 1 || size > Integer.MAX_VALUE) {
      throw invalid(
          "Expected tensor %s in %s to have an axis %d of 1 or more, but its shape is %s; use another checkpoint"
              .formatted(Quoted.of(name), checkpoint.location(), axis + 1, info.shape()));
    }
    return (int) size;
  }

  /** How many blocks there are of a kind: all that are numbered from 0 on. */
  int blocks(String kind) {
    Pattern pattern = Pattern.compile(Pattern.quote(kind) + "\\.(\\d{1,9})\\..*");
    SortedSet<Integer> numbers = new TreeSet<>();
    for (String name : checkpoint.names()) {
      Matcher matcher = pattern.matcher(name);
      if (matcher.matches()) {
        numbers.add(Integer.parseInt(matcher.group(1)));
      }
    }
    for (int i = 0; i < numbers.size(); i++) {
      if (!numbers.contains(i)) {
        throw invalid(
            "Expected the blocks %s.0 to %s.%d in %s, but %s.%d is missing; fetch the checkpoint again"
                .formatted(kind, kind, numbers.getLast(), checkpoint.location(), kind, i));
      }
    }
    return numbers.size();
  }

  private TensorInfo require(String name) {
    return checkpoint
        .info(name)
        .orElseThrow(() ->
            invalid(
                "Expected a tensor %s in %s, but it is missing; fetch the checkpoint again"
                    .formatted(Quoted.of(name), checkpoint.location())));
  }

  private static LongtakeException invalid(String message) {
    return new LongtakeException(ErrorCode.INVALID_CHECKPOINT, message);
  }
}
