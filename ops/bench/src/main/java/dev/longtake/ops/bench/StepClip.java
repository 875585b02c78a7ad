package dev.longtake.ops.bench;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.ClipGeometry;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A clip by its tokens, the patches of a frame in a grid as square as they allow. A patch is 2 x 2 latents.
 *
 * @param frames of latents
 * @param rows of patches
 * @param columns of patches
 */
public record StepClip(int frames, int rows, int columns) {
  private static final int PATCH = 2;
  private static final Pattern TEXT = Pattern.compile("([1-9]\\d{0,3})x([1-9]\\d{0,5})");

  /** Of {@code patches} in a frame. */
  static StepClip of(int frames, int patches) {
    int rows = (int) Math.sqrt(patches);
    while (patches % rows != 0) {
      rows--;
    }
    return new StepClip(frames, rows, patches / rows);
  }

  /**
   * Reads {@code 16x256}: frames, and patches of a frame.
   *
   * @throws LongtakeException INVALID_REQUEST when it is something else
   */
  static StepClip parse(String text) {
    Matcher matcher = TEXT.matcher(text);
    if (!matcher.matches()) {
      throw LongtakeException.invalidField(
          "size",
          "Expected frames and the patches of a frame as in 16x256, but got '%s'".formatted(text));
    }
    return of(Integer.parseInt(matcher.group(1)), Integer.parseInt(matcher.group(2)));
  }

  /** As in {@link #parse}; a part of figures' names. */
  String name() {
    return frames + "x" + rows * columns;
  }

  int height() {
    return PATCH * rows;
  }

  int width() {
    return PATCH * columns;
  }

  ClipGeometry geometry() {
    return RandomTasks.clip(frames, height(), width());
  }
}
