package dev.longtake.common.stepcache;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.plan.Plans;
import dev.longtake.v1.AttentionProfile.Axis;
import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.Broadcast;
import dev.longtake.v1.FirstBlock;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.StepCache;
import dev.longtake.v1.StepCacheUse;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** Between step caches as messages and checked modes. */
public final class StepCaches {
  /** Every step is computed. */
  public static final StepCacheMode EXACT = new StepCacheMode.Exact();

  /** As published for Open-Sora 1.2. */
  private static final double WINDOW_FROM = 450;

  private static final double WINDOW_TO = 930;

  /** The timestep of pure noise, in thousandths of itself. */
  private static final double NOISE = 1000;

  private static final int MAX_RANGE = 1000;
  private static final int REFRESH_EVERY = 8;

  private StepCaches() {}

  /**
   * Checks a mode for itself and against the model.
   *
   * @param cache the default instance for none
   * @param profile of the model; without blocks, operations are not checked against it
   * @throws LongtakeException INVALID_REQUEST naming the field, the value and what is allowed
   */
  public static StepCacheMode of(StepCache cache, ModelProfile profile) {
    return switch (cache.getModeCase()) {
      case BROADCAST -> broadcast(cache.getBroadcast(), profile);
      case FIRST_BLOCK -> firstBlock(cache.getFirstBlock(), profile);
      case MODE_NOT_SET -> EXACT;
    };
  }

  private static StepCacheMode broadcast(Broadcast broadcast, ModelProfile profile) {
    Map<Reusable, Integer> ranges = new EnumMap<>(Reusable.class);
    if (broadcast.hasSpatial()) {
      ranges.put(Reusable.SPATIAL, broadcast.getSpatial());
    }
    if (broadcast.hasTemporal()) {
      ranges.put(Reusable.TEMPORAL, broadcast.getTemporal());
    }
    if (broadcast.hasCross()) {
      ranges.put(Reusable.CROSS, broadcast.getCross());
    }
    if (broadcast.hasMlp()) {
      ranges.put(Reusable.MLP, broadcast.getMlp());
    }
    require(
        !ranges.isEmpty(),
        "step_cache.broadcast",
        "Expected a range for at least one of spatial, temporal, cross and mlp, but got none");
    ranges.forEach((operation, range) -> {
      String field = "step_cache.broadcast." + operation.name().toLowerCase(Locale.ROOT);
      require(
          range >= 1 && range <= MAX_RANGE,
          field,
          "Expected a range of 1 (computes in every step) to %d steps for %s, but got %d"
              .formatted(MAX_RANGE, words(operation), range));
      require(
          has(profile, operation),
          field,
          "Expected no range for %s, because the model has none, but got %d; leave it out"
              .formatted(words(operation), range));
    });
    double from = broadcast.hasWindowFrom() ? broadcast.getWindowFrom() : WINDOW_FROM;
    double to = broadcast.hasWindowTo() ? broadcast.getWindowTo() : WINDOW_TO;
    // NaN fails every comparison, so it is refused as well.
    require(
        from >= 0 && from < to && to <= NOISE,
        "step_cache.broadcast.window_from",
        "Expected a window within the schedule, 0 <= window_from < window_to <= %s, but got %s to %s"
            .formatted(NOISE, from, to));
    return new StepCacheMode.Broadcast(ranges, from, to);
  }

  private static StepCacheMode firstBlock(FirstBlock cache, ModelProfile profile) {
    // NaN fails every comparison, so it is refused as well.
    require(
        cache.getThreshold() >= 0 && cache.getThreshold() <= 1,
        "step_cache.first_block.threshold",
        "Expected a threshold of 0 (takes nothing over) to 1, but got " + cache.getThreshold());
    int refreshEvery = cache.hasRefreshEvery() ? cache.getRefreshEvery() : REFRESH_EVERY;
    require(
        refreshEvery >= 1 && refreshEvery <= MAX_RANGE,
        "step_cache.first_block.refresh_every",
        "Expected refresh_every of 1 to %d steps, but got %d".formatted(MAX_RANGE, refreshEvery));
    require(
        profile.getBlocksCount() != 1,
        "step_cache.first_block",
        "Expected a model with blocks behind the first one, but this one has 1 block");
    return new StepCacheMode.FirstBlock(cache.getThreshold(), refreshEvery);
  }

  private static boolean has(ModelProfile profile, Reusable operation) {
    return profile.getBlocksCount() == 0
        || switch (operation) {
          case SPATIAL ->
              Plans.hasAxis(profile, Axis.AXIS_SPATIAL) || Plans.hasAxis(profile, Axis.AXIS_FULL);
          case TEMPORAL -> Plans.hasAxis(profile, Axis.AXIS_TEMPORAL);
          case CROSS ->
              profile.getBlocksList().stream()
                  .mapToInt(BlockProfile::getTextAttentions)
                  .anyMatch(attentions -> attentions > 0);
          case MLP ->
              profile.getBlocksList().stream()
                  .mapToInt(BlockProfile::getMlps)
                  .anyMatch(mlps -> mlps > 0);
        };
  }

  private static String words(Reusable operation) {
    return switch (operation) {
      case SPATIAL -> "attention within frames";
      case TEMPORAL -> "attention across frames";
      case CROSS -> "attention to the text";
      case MLP -> "MLPs that follow an attention";
    };
  }

  /** The mode with every default filled in; the default instance for {@link #EXACT}. */
  public static StepCache message(StepCacheMode mode) {
    StepCache.Builder cache = StepCache.newBuilder();
    switch (mode) {
      case StepCacheMode.Exact _ -> {}
      case StepCacheMode.FirstBlock(double threshold, int refreshEvery) ->
          cache.setFirstBlock(
              FirstBlock.newBuilder().setThreshold(threshold).setRefreshEvery(refreshEvery));
      case StepCacheMode.Broadcast(var ranges, double from, double to) -> {
        Broadcast.Builder broadcast = Broadcast.newBuilder().setWindowFrom(from).setWindowTo(to);
        ranges.forEach((operation, range) -> {
          switch (operation) {
            case SPATIAL -> broadcast.setSpatial(range);
            case TEMPORAL -> broadcast.setTemporal(range);
            case CROSS -> broadcast.setCross(range);
            case MLP -> broadcast.setMlp(range);
          }
        });
        cache.setBroadcast(broadcast);
      }
    }
    return cache.build();
  }

  /** The mode for people. */
  public static String words(StepCacheMode mode) {
    return switch (mode) {
      case StepCacheMode.Exact _ -> "none";
      case StepCacheMode.FirstBlock(double threshold, int refreshEvery) ->
          "first-block threshold=%s refresh-every=%d".formatted(threshold, refreshEvery);
      case StepCacheMode.Broadcast(var ranges, double from, double to) ->
          "broadcast %s window=%s-%s"
              .formatted(
                  new EnumMap<>(ranges)
                      .entrySet().stream()
                          .map(range ->
                              range.getKey().name().toLowerCase(Locale.ROOT)
                                  + "="
                                  + range.getValue())
                          .collect(Collectors.joining(" ")),
                  from,
                  to);
    };
  }

  /** Of two runs of the network together. */
  public static StepCacheUse sum(StepCacheUse one, StepCacheUse other) {
    return StepCacheUse.newBuilder()
        .setSteps(one.getSteps() + other.getSteps())
        .setStepsWithReuse(one.getStepsWithReuse() + other.getStepsWithReuse())
        .setOperations(one.getOperations() + other.getOperations())
        .setSpatialReused(one.getSpatialReused() + other.getSpatialReused())
        .setTemporalReused(one.getTemporalReused() + other.getTemporalReused())
        .setCrossReused(one.getCrossReused() + other.getCrossReused())
        .setMlpReused(one.getMlpReused() + other.getMlpReused())
        .build();
  }

  private static void require(boolean condition, String field, String message) {
    if (!condition) {
      throw LongtakeException.invalidField(field, message);
    }
  }
}
