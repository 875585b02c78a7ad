package dev.longtake.worker.engine.sampler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.noise.PhiloxNoise;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.engine.reuse.ReuseSchedule;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SamplingLoopTest {
  private static final int FRAMES = 5;
  private static final int PIXELS = 6;
  private static final int SAMPLES = 2;
  private static final int VALUES = SAMPLES * LoopRuns.CHANNELS * FRAMES * PIXELS;
  private static final Set<String> CAPTURED = Set.of("z_in", "guided_pred", "z_out", "estimate");
  private static final Spacing LEADING = new Spacing(Spacing.Kind.LEADING, 1);

  private final Device device = CpuDevice.open(1, 1L << 30);
  private final Patching patching = new Patching(FRAMES, 2, 3, 1, 1, 1);

  @AfterEach
  void close() {
    assertThat(device.memory().usedBytesByTag().getOrDefault("latents", 0L)).isZero();
    device.close();
  }

  static Stream<Sampler> samplers() {
    return Stream.of(
        new RectifiedFlow(4, 1000, false, false),
        new GuidedFlow(13, true),
        new Ancestral(5, 1000, false, true),
        new Ancestral(5, 1000, true, false),
        new Ddim(5, 1000, LEADING, 0, false),
        new Ddim(5, 1000, Spacing.EVENLY, 0.7, false),
        new DpmSolver(5, 1000, DpmSolver.Spacing.TIME_UNIFORM, false, false),
        new DpmSolver(5, 1000, DpmSolver.Spacing.LINSPACE, true, false));
  }

  /** Something that depends on all it is given, and not linearly. */
  private static float anyPrediction(
      int branch, boolean variance, float value, float t, boolean generated, int element) {
    double x = value * (branch + 1) + (generated ? t : 0) / 500 + element % 7;
    return (float) (Math.sin(x) * (variance ? 0.9 : 1.5));
  }

  private LoopRuns runs() {
    return new LoopRuns(device, patching, SamplingLoopTest::anyPrediction);
  }

  private static SamplingInput input(
      Sampler sampler, Guidance guidance, float @Nullable [] frameMask) {
    return new SamplingInput(
        SAMPLES,
        sampler,
        guidance,
        9,
        null,
        null,
        frameMask,
        null,
        null,
        null,
        null,
        ReuseSchedule.EXACT);
  }

  private static Guidance threeBranches() {
    return new Guidance(4, false, 2, new Guidance.Image(3, true, true), true);
  }

  private static float[] frameMask(long seed) {
    Random random = new Random(seed);
    float[] mask = new float[SAMPLES * FRAMES];
    for (int i = 0; i < mask.length; i++) {
      mask[i] = new float[] {0, 1, 0.4f, 0.7f}[random.nextInt(4)];
    }
    return mask;
  }

  private static float @Nullable [] maskFor(Sampler sampler) {
    return sampler instanceof RectifiedFlow || sampler instanceof Ancestral ? frameMask(3) : null;
  }

  @ParameterizedTest
  @MethodSource("samplers")
  void shouldGiveTheSameBitsForAnyNumberOfRanks(Sampler sampler) {
    SamplingInput input = input(sampler, threeBranches(), maskFor(sampler));
    Map<String, float[]> alone = runs().run(input, 1, CAPTURED);
    assertThat(alone).hasSize(1 + 4 * sampler.steps());
    for (int ranks : new int[] {2, 3, 7}) {
      Map<String, float[]> gang = runs().run(input, ranks, CAPTURED);
      alone.forEach((name, values) ->
          assertThat(gang.get(name)).as("%s on %d ranks", name, ranks).isEqualTo(values));
    }
  }

  @Test
  void shouldKeepTheStreamsOfStartStepAndEditNoiseApart() {
    Sampler sampler = new Ancestral(4, 1000, false, true);
    float[] mask = frameMask(5);
    SamplingInput fromSeed = input(sampler, Guidance.of(2), mask);
    SamplingInput given =
        new SamplingInput(
            SAMPLES,
            sampler,
            Guidance.of(2),
            0,
            noise(9, 0),
            null,
            mask,
            stepNoise(sampler.steps(), 1L << 32),
            stepNoise(sampler.steps(), 1),
            null,
            null,
            ReuseSchedule.EXACT);

    assertThat(runs().run(given, 1, CAPTURED))
        .containsExactlyEntriesOf(runs().run(fromSeed, 1, CAPTURED));
  }

  private static float[] stepNoise(int steps, long firstStream) {
    float[] all = new float[steps * VALUES];
    for (int step = 0; step < steps; step++) {
      System.arraycopy(noise(9, firstStream + step), 0, all, step * VALUES, VALUES);
    }
    return all;
  }

  /** Of all samples, each with its own seed. */
  private static float[] noise(long seed, long stream) {
    float[] all = new float[VALUES];
    int size = VALUES / SAMPLES;
    try (Arena arena = Arena.ofConfined()) {
      for (int sample = 0; sample < SAMPLES; sample++) {
        MemorySegment segment = arena.allocate(4L * size, 64);
        PhiloxNoise.fill(segment, size, seed + sample, stream, 0);
        MemorySegment.copy(segment, ValueLayout.JAVA_FLOAT, 0, all, sample * size, size);
      }
    }
    return all;
  }

  @Test
  void shouldLeaveKeptFramesUntouchedAndStartEditedOnesLate() {
    // Frames 0 and 1 of both samples: kept, and edited over the last 40 %.
    float[] mask = {0, 0.4f, 1, 1, 1, 0, 0.4f, 1, 1, 1};
    Sampler sampler = new RectifiedFlow(10, 1000, false, false);
    Map<String, float[]> latents =
        runs().run(input(sampler, Guidance.of(2), mask), 2, Set.of("z_in", "z_out"));
    float[] start = noise(9, 0);
    for (int i = 0; i < VALUES; i++) {
      int frame = i / PIXELS % FRAMES;
      if (frame == 0) {
        assertThat(named(latents, "final")[i]).isEqualTo(start[i]);
      }
      if (frame == 1) {
        assertThat(named(latents, "z_out/5")[i]).isEqualTo(start[i]);
        assertThat(named(latents, "z_in/6")[i]).isNotEqualTo(start[i]);
        assertThat(named(latents, "z_out/6")[i]).isNotEqualTo(named(latents, "z_in/6")[i]);
      }
    }
  }

  /** All that end without noise find a clip that the network is sure of, whatever the noise. */
  static Stream<Sampler> toTheClip() {
    return Stream.of(
        new RectifiedFlow(7, 1000, false, false),
        new GuidedFlow(7, true),
        new Ancestral(6, 1000, false, true),
        new Ancestral(6, 1000, false, false),
        new Ddim(6, 1000, LEADING, 0, false),
        new Ddim(6, 1000, new Spacing(Spacing.Kind.TRAILING, 0), 1, false),
        new Ddim(6, 1000, Spacing.EVENLY, 0, false),
        new DpmSolver(6, 1000, DpmSolver.Spacing.LINSPACE, true, false));
  }

  @ParameterizedTest
  @MethodSource("toTheClip")
  void shouldEndAtTheClipThatTheNetworkIsSureOf(Sampler sampler) {
    double[] products = DiffusionTable.cumulativeProducts(1000);
    LoopRuns runs =
        new LoopRuns(
            device,
            patching,
            (branch, variance, value, t, generated, element) -> {
              float clip = clip(element);
              return switch (sampler) {
                case RectifiedFlow _ -> (clip - value) / (t / 1000);
                case GuidedFlow _ -> (value - clip) / t;
                default -> {
                  double signal = products[(int) t];
                  yield (float) ((value - Math.sqrt(signal) * clip) / Math.sqrt(1 - signal));
                }
              };
            });

    Guidance distilled = new Guidance(3, true, LoopRuns.CHANNELS, null, false);
    for (Guidance guidance : List.of(Guidance.of(3), distilled, threeBranches())) {
      Map<String, float[]> latents =
          runs.run(input(sampler, guidance, null), 2, Set.of("estimate"));
      float[] last = named(latents, "final");
      for (int i = 0; i < last.length; i++) {
        assertThat(last[i]).as("%s", guidance).isCloseTo(clip(i), Offset.offset(2e-4f));
      }
      // So sure that every step sees it whole.
      for (int step = 0; step < sampler.steps(); step++) {
        float[] estimate = named(latents, "estimate/" + step);
        assertThat(estimate).hasSize(LoopRuns.CHANNELS * PIXELS);
        for (int i = 0; i < estimate.length; i++) {
          int element = (i / PIXELS * FRAMES + LoopRuns.PREVIEWED) * PIXELS + i % PIXELS;
          assertThat(estimate[i])
              .as("step %d, %s", step, guidance)
              .isCloseTo(clip(element), Offset.offset(2e-3f));
        }
      }
    }
  }

  private static float[] named(Map<String, float[]> latents, String name) {
    return Objects.requireNonNull(latents.get(name), name);
  }

  private static float clip(int element) {
    return element % 11 - 5;
  }
}
