package dev.longtake.coordinator.video;

import static org.bytedeco.ffmpeg.global.avutil.av_strerror;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.nio.charset.StandardCharsets;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/** What FFmpeg returns, checked. */
final class Ffmpeg {
  private Ffmpeg() {}

  static <T> T held(@Nullable T owned) {
    if (owned == null) {
      throw new IllegalStateException("Expected an open file, but it is closed");
    }
    return owned;
  }

  static <T extends Pointer> T present(@Nullable T made, String what) {
    if (made == null || made.isNull()) {
      throw new LongtakeException(ErrorCode.INTERNAL, "FFmpeg could not " + what);
    }
    return made;
  }

  static void check(int result, String what) {
    check(result, what, ErrorCode.INTERNAL);
  }

  /** For what may fail because a disk is full. */
  static void checkWritten(int result, String what) {
    check(result, what, ErrorCode.STORAGE_UNAVAILABLE);
  }

  private static void check(int result, String what, ErrorCode code) {
    if (result < 0) {
      byte[] text = new byte[128];
      av_strerror(result, text, text.length);
      String reason = new String(text, StandardCharsets.UTF_8);
      throw new LongtakeException(
          code,
          "FFmpeg could not %s: %s"
              .formatted(what, reason.substring(0, Math.max(0, reason.indexOf('\0')))));
    }
  }
}
