package dev.longtake.worker.engine.gang;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.exec.ChangeSums;
import dev.longtake.worker.engine.exec.Network;
import dev.longtake.worker.engine.exec.Predictions;
import dev.longtake.worker.engine.exec.StepInput;
import dev.longtake.worker.engine.exec.Tap;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The lanes of a rank: its rows in parts, each with a network and, where there are several, a thread of its own. One lane computes
 * at a time; while it exchanges, another does. Called by one thread, which has the turn on the device and gets it back.
 * Owns the networks and the threads.
 */
public final class Lanes implements AutoCloseable {
  private final RankWork work;
  private final List<Lane> lanes = new ArrayList<>();
  private final @Nullable ExecutorService threads;
  private @Nullable FirstBlockVote vote;
  private int restReused;

  private record Lane(Range rows, Network network) {}

  /** Something that one lane does. */
  private interface Task {
    void run(Lane lane);
  }

  /**
   * Allocates everything that the rank needs.
   *
   * @param taps of the rows of a lane
   */
  public Lanes(RankWork work, Function<Range, Tap> taps) {
    this.work = work;
    RankShare share = work.share();
    try {
      for (Range rows : share.lanes()) {
        int lane = lanes.size();
        lanes.add(
            new Lane(
                rows,
                new Network(
                    work.device(),
                    work.program(),
                    work.weights(),
                    share.geometry().withBranches(rows.size()),
                    share.condition().ofBranches(rows),
                    work.texts(),
                    share.neighbours(work.exchange(lane)),
                    taps.apply(rows),
                    work.trace().lane(lane))));
      }
    } catch (Throwable e) {
      lanes.forEach(lane -> lane.network.close());
      throw e;
    }
    threads =
        lanes.size() == 1
            ? null
            : Executors.newFixedThreadPool(
                lanes.size(), Thread.ofPlatform().name("lt-lane-", 0).daemon().factory());
  }

  /** Runs what depends on the condition alone. Call once, before the first step. */
  public void prepare() {
    forAll(lane -> lane.network.prepare());
  }

  /**
   * Evaluates the network once.
   *
   * @param input of all rows of the batch
   * @param predictions gets what the last stage predicts for this rank's rows; null on other stages
   */
  public void step(StepInput input, String place, @Nullable Predictions predictions) {
    if (!input.reuse().isOpen()) {
      forAll(lane -> {
        lane.network.begin(input.ofBranches(lane.rows), place);
        end(lane, input, place, /* reusesRest= */ false, predictions);
      });
      return;
    }
    // All lanes wait for the decision, which is about all rows of the batch.
    forAll(lane -> lane.network.begin(input.ofBranches(lane.rows), place));
    boolean reusesRest = vote().reuses(firstBlockChange(), input.reuse().restThreshold(), place);
    restReused += reusesRest ? 1 : 0;
    forAll(lane -> end(lane, input, place, reusesRest, predictions));
  }

  private static void end(
      Lane lane,
      StepInput input,
      String place,
      boolean reusesRest,
      @Nullable Predictions predictions) {
    Matrix patches = lane.network.end(input.ofBranches(lane.rows), place, reusesRest);
    if (predictions != null) {
      predictions.unpatchify(patches, lane.rows);
    }
  }

  private ChangeSums firstBlockChange() {
    return lanes.stream()
        .map(lane -> lane.network.firstBlockChange())
        .reduce(ChangeSums.NONE, ChangeSums::plus);
  }

  private FirstBlockVote vote() {
    FirstBlockVote open = vote;
    if (open == null) {
      open = new FirstBlockVote(work);
      vote = open;
    }
    return open;
  }

  /** Steps so far that took over what the blocks behind the first one add. */
  public int restReused() {
    return restReused;
  }

  private void forAll(Task task) {
    if (threads == null) {
      task.run(lanes.getFirst());
      return;
    }
    work.turn().give();
    List<Future<?>> running = new ArrayList<>();
    for (Lane lane : lanes) {
      running.add(threads.submit(() -> runInTurn(task, lane)));
    }
    Throwable failure = null;
    for (Future<?> one : running) {
      Throwable ofLane = await(one);
      failure = failure == null ? ofLane : failure;
    }
    work.turn().take();
    if (failure != null) {
      throw rethrown(failure);
    }
  }

  private void runInTurn(Task task, Lane lane) {
    try {
      work.turn().take();
      try {
        task.run(lane);
      } finally {
        work.turn().giveIfHeld();
      }
    } catch (RuntimeException | Error e) {
      // The other lanes, here and elsewhere, wait for what will not come.
      work.exchange().abort(e);
      throw e;
    }
  }

  /** Lanes end by themselves: each of their waits has a deadline. */
  private @Nullable Throwable await(Future<?> lane) {
    boolean interrupted = false;
    try {
      while (true) {
        try {
          lane.get();
          return null;
        } catch (ExecutionException e) {
          return e.getCause();
        } catch (InterruptedException e) {
          interrupted = true;
          work.exchange().abort(e);
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static RuntimeException rethrown(Throwable failure) {
    return switch (failure) {
      // With the stack of the lane as the cause.
      case LongtakeException e -> new LongtakeException(e.code(), e.getMessage(), e);
      case Error e -> throw e;
      default ->
          new LongtakeException(
              ErrorCode.INTERNAL, "A lane of the job failed: " + failure, failure);
    };
  }

  @Override
  public void close() {
    if (threads != null) {
      threads.shutdown();
    }
    lanes.forEach(lane -> lane.network.close());
    if (vote != null) {
      vote.close();
    }
  }
}
