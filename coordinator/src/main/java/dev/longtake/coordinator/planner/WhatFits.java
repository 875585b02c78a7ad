package dev.longtake.coordinator.planner;

import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.v1.ClipGeometry;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;

/** What could be changed so that a workload fits: more workers, fewer frames, a smaller picture. */
final class WhatFits {
  /** More is not looked for. */
  private static final int MAX_WORKERS = 512;

  private static final int SIZE_STEPS = 16;

  /** Far more than any model was trained for. */
  private static final int MAX_FRAMES = 1 << 17;

  private final Workload workload;
  private final ClusterView cluster;

  WhatFits(Workload workload, ClusterView cluster) {
    this.workload = workload;
    this.cluster = cluster;
  }

  /** For the end of a message, after "it would fit ". */
  String advice() {
    List<String> ways = new ArrayList<>();
    moreWorkers()
        .ifPresent(plan ->
            ways.add("into workers with as much memory as the largest: " + Words.plan(plan)));
    ClipGeometry clip = workload.clip();
    int frames =
        largest(
            clip.getLatentFrames() - 1, count -> clip.toBuilder().setLatentFrames(count).build());
    if (frames > 0) {
      ways.add("with %d of its %d latent frames".formatted(frames, clip.getLatentFrames()));
    }
    int size = largest(SIZE_STEPS - 1, step -> scaled(clip, step));
    if (size > 0) {
      ClipGeometry smaller = scaled(clip, size);
      ways.add(
          "with latents of %d x %d instead of %d x %d"
              .formatted(
                  smaller.getLatentWidth(),
                  smaller.getLatentHeight(),
                  clip.getLatentWidth(),
                  clip.getLatentHeight()));
    }
    return ways.isEmpty()
        ? "nothing that this planner knows of would: use workers with more memory"
        : "it would fit " + String.join(", or ", ways);
  }

  /** The most latent frames of one clip of this size that fit, up to {@link #MAX_FRAMES}; 0 when not even one does. */
  int mostFrames() {
    ClipGeometry clip = workload.clip();
    IntFunction<ClipGeometry> withFrames =
        frames -> clip.toBuilder().setLatentFrames(frames).build();
    int most = 1;
    while (most < MAX_FRAMES
        && fits(workload.withClip(withFrames.apply(most)), cluster).isPresent()) {
      most *= 2;
    }
    return largest(most, withFrames);
  }

  /** The least number of workers, all like the one with the most memory, each on a host of its own. */
  private Optional<ExecutionPlan> moreWorkers() {
    WorkerView like =
        Collections.max(
            cluster.workers(), java.util.Comparator.comparingLong(WorkerView::memoryBytes));
    int low = cluster.workers().size();
    int high = low;
    Optional<ExecutionPlan> found = Optional.empty();
    while (found.isEmpty() && high < MAX_WORKERS) {
      low = high;
      high = Math.min(MAX_WORKERS, high * 2);
      found = fits(workload, copies(like, high));
    }
    while (found.isPresent() && high - low > 1) {
      int middle = (low + high) / 2;
      Optional<ExecutionPlan> fewer = fits(workload, copies(like, middle));
      if (fewer.isPresent()) {
        found = fewer;
        high = middle;
      } else {
        low = middle;
      }
    }
    return found;
  }

  private static ClusterView copies(WorkerView like, int count) {
    List<WorkerView> workers = new ArrayList<>();
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      String id = "worker-" + (i + 1);
      ids.add(id);
      workers.add(
          new WorkerView(
              id,
              id,
              like.processors(),
              like.threads(),
              like.grain(),
              like.device(),
              like.memoryBytes(),
              like.times()));
    }
    return new ClusterView(workers, new MeasuredLinks(List.of(), ids, ids));
  }

  private static Optional<ExecutionPlan> fits(Workload workload, ClusterView cluster) {
    return new Search(workload, cluster).anyThatFits().map(Outcome::plan);
  }

  /** The largest number up to a most for which the clip fits; 0 for none. */
  private int largest(int most, IntFunction<ClipGeometry> clip) {
    int low = 0;
    int high = most + 1;
    while (high - low > 1) {
      int middle = (low + high) / 2;
      if (fits(workload.withClip(clip.apply(middle)), cluster).isPresent()) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** The picture with sides of a number of sixteenths. */
  private ClipGeometry scaled(ClipGeometry clip, int sixteenths) {
    return clip.toBuilder()
        .setLatentHeight(
            side(clip.getLatentHeight(), sixteenths, workload.profile().getPatchHeight()))
        .setLatentWidth(side(clip.getLatentWidth(), sixteenths, workload.profile().getPatchWidth()))
        .build();
  }

  /** A whole number of patches. */
  private static int side(int latents, int sixteenths, int patch) {
    int size = Math.max(1, patch);
    return Math.max(size, latents * sixteenths / SIZE_STEPS / size * size);
  }
}
