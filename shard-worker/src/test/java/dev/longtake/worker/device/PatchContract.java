package dev.longtake.worker.device;

import static dev.longtake.worker.device.Lab.assertSameBits;

import dev.longtake.common.tensor.DType;
import org.junit.jupiter.api.Test;

/** Latents to patches and back. */
abstract class PatchContract extends RowContract {
  @Test
  void shouldCutAndJoinWhenPatchesFitOrNot() {
    for (int round = 0; round < 30; round++) {
      Patching p =
          new Patching(
              lab.between(1, 4),
              lab.between(1, 9),
              lab.between(1, 9),
              lab.between(1, 2),
              lab.between(1, 3),
              lab.between(1, 3));
      int channels = lab.between(1, 5);
      int rows = p.gridFrames() * p.patchesPerFrame();
      int columns = channels * p.patchVolume();
      Matrix latents = lab.normal(channels * p.frames(), p.height() * p.width(), DType.F32);
      Matrix patches = lab.normal(rows, columns, round % 3 == 0 ? DType.BF16 : DType.F32);
      float[] values = lab.read(latents);

      device.patchify(latents, patches, channels, p);

      float[] first = new float[rows * columns];
      // The same value's place with the channel fastest.
      float[] other = new float[rows * columns];
      for (int c = 0; c < channels; c++) {
        for (int f = 0; f < p.frames(); f++) {
          for (int y = 0; y < p.height(); y++) {
            for (int x = 0; x < p.width(); x++) {
              float value = values[((c * p.frames() + f) * p.height() + y) * p.width() + x];
              int row = row(p, f, y, x);
              int within = within(p, f, y, x);
              first[row * columns + c * p.patchVolume() + within] = value;
              other[row * columns + within * channels + c] = value;
            }
          }
        }
      }
      float[] expected = patches.dtype() == DType.BF16 ? Reference.toBfloat(first) : first;
      assertSameBits(lab.read(patches), expected, "patches of " + p);

      Matrix joined = lab.normal(latents.rows(), latents.columns(), DType.F32);
      device.unpatchify(
          lab.of(other, rows, columns, DType.F32), joined, channels, p, PatchOrder.CHANNEL_LAST);
      assertSameBits(lab.read(joined), values, "latents of " + p);
      joined = lab.normal(latents.rows(), latents.columns(), DType.F32);
      device.unpatchify(
          lab.of(first, rows, columns, DType.F32), joined, channels, p, PatchOrder.CHANNEL_FIRST);
      assertSameBits(lab.read(joined), values, "latents of %s, channel first".formatted(p));
    }
  }

  private static int row(Patching p, int f, int y, int x) {
    return (f / p.patchFrames() * p.gridRows() + y / p.patchHeight()) * p.gridColumns()
        + x / p.patchWidth();
  }

  private static int within(Patching p, int f, int y, int x) {
    return (f % p.patchFrames() * p.patchHeight() + y % p.patchHeight()) * p.patchWidth()
        + x % p.patchWidth();
  }
}
