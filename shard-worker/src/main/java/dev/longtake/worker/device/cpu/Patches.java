package dev.longtake.worker.device.cpu;

import dev.longtake.common.tensor.Bfloat16;
import dev.longtake.worker.device.PatchOrder;
import dev.longtake.worker.device.Patching;
import java.lang.foreign.MemorySegment;

/** Latents [channels * frames, height * width] to rows of patches, and back. Only moves values, so plain loops do. */
final class Patches {
  private static final int TASK_ELEMENTS = 16_384;

  private Patches() {}

  /** Values in a row are ordered channel, frame, row, column. */
  static void patchify(Threads threads, View latents, View out, int channels, Patching p) {
    Elementwise.forRows(
        threads,
        out.rows(),
        out.columns(),
        TASK_ELEMENTS,
        (thread, row) -> {
          int index = 0;
          for (int c = 0; c < channels; c++) {
            for (int v = 0; v < p.patchVolume(); v++) {
              long at = latentAt(latents, p, row, c, v);
              float value = at < 0 ? 0 : latents.segment().get(Lanes.FLOAT, at);
              set(out.segment(), out.row(row), index++, out.bfloat(), value);
            }
          }
        });
  }

  static void unpatchify(
      Threads threads, View patches, View latents, int channels, Patching p, PatchOrder order) {
    // From one channel to the next, and from one place in the patch to the next, in values.
    long channelStride = order == PatchOrder.CHANNEL_FIRST ? p.patchVolume() : 1;
    long placeStride = order == PatchOrder.CHANNEL_FIRST ? 1 : channels;
    Elementwise.forRows(
        threads,
        patches.rows(),
        patches.columns(),
        TASK_ELEMENTS,
        (thread, row) -> {
          for (int v = 0; v < p.patchVolume(); v++) {
            for (int c = 0; c < channels; c++) {
              long at = latentAt(latents, p, row, c, v);
              if (at >= 0) {
                long index = v * placeStride + c * channelStride;
                long from = patches.row(row) + index * Float.BYTES;
                latents.segment().set(Lanes.FLOAT, at, patches.segment().get(Lanes.FLOAT, from));
              }
            }
          }
        });
  }

  /**
   * Where a patch's value is in the latents, in bytes; -1 beyond their ends.
   *
   * @param row the patch, ordered frame, row, column
   * @param v the place within the patch, ordered frame, row, column
   */
  private static long latentAt(View latents, Patching p, int row, int channel, int v) {
    int inFrame = row % p.patchesPerFrame();
    int frame =
        row / p.patchesPerFrame() * p.patchFrames() + v / (p.patchHeight() * p.patchWidth());
    int y = inFrame / p.gridColumns() * p.patchHeight() + v / p.patchWidth() % p.patchHeight();
    int x = inFrame % p.gridColumns() * p.patchWidth() + v % p.patchWidth();
    if (frame >= p.frames() || y >= p.height() || x >= p.width()) {
      return -1;
    }
    return latents.row(channel * p.frames() + frame) + ((long) y * p.width() + x) * Float.BYTES;
  }

  private static void set(
      MemorySegment segment, long rowBytes, int index, boolean bfloat, float value) {
    if (bfloat) {
      segment.set(Lanes.SHORT, rowBytes + index * 2L, Bfloat16.fromFloat(value));
    } else {
      segment.set(Lanes.FLOAT, rowBytes + index * 4L, value);
    }
  }
}
