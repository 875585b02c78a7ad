package dev.longtake.worker.measure;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.v1.ClipGeometry;
import dev.longtake.worker.engine.model.PatchSize;
import org.junit.jupiter.api.Test;

class MeasuredClipTest {
  private static MeasuredClip like(int frames, int height, int width, long maxTokens) {
    ClipGeometry clip =
        ClipGeometry.newBuilder()
            .setLatentFrames(frames)
            .setLatentHeight(height)
            .setLatentWidth(width)
            .build();
    return MeasuredClip.like(clip, new PatchSize(1, 2, 2), maxTokens);
  }

  @Test
  void shouldBeTheTypicalClipWhereThereIsRoom() {
    assertThat(like(16, 8, 8, 256)).isEqualTo(new MeasuredClip(16, 4, 4));
  }

  @Test
  void shouldLeaveOutPatchesBeforeFrames() {
    assertThat(like(15, 60, 106, 1000)).isEqualTo(new MeasuredClip(15, 8, 7));
    assertThat(like(100, 4, 4, 100)).isEqualTo(new MeasuredClip(25, 2, 2));
  }

  @Test
  void shouldHaveASmallerOneWithShorterSequencesAlongEachAxis() {
    MeasuredClip clip = like(16, 8, 8, 256);

    assertThat(clip.smaller().frames()).isLessThan(clip.frames());
    assertThat(clip.smaller().patches()).isLessThan(clip.patches());
  }
}
