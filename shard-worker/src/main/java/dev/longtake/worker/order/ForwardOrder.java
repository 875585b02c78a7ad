package dev.longtake.worker.order;

import static dev.longtake.worker.order.OrderGeometry.require;

import dev.longtake.common.partition.Range;
import dev.longtake.v1.ForwardRow;
import dev.longtake.v1.ForwardTask;
import dev.longtake.worker.engine.exec.Branch;
import dev.longtake.worker.engine.exec.Condition;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.exec.Predictions;
import dev.longtake.worker.engine.exec.StepInput;
import dev.longtake.worker.engine.gang.Lanes;
import dev.longtake.worker.engine.gang.RankWork;
import dev.longtake.worker.engine.model.ModelDescription;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One evaluation of the network with captured intermediates. */
final class ForwardOrder {
  private final OrderWork work;
  private final ForwardTask task;

  ForwardOrder(OrderWork work, ForwardTask task) {
    this.work = work;
    this.task = task;
  }

  void run() {
    ModelDescription model = work.model();
    int branches = task.getRowsCount();
    require(branches >= 1, "rows", "Expected at least one row, but got none");
    Geometry geometry =
        OrderGeometry.geometry(
            task.getGeometry(), model, branches, work.plan(), work.exchange().rank());
    Condition condition = new Condition(branches(model), task.hasFrameMask());
    RankWork rank = work.rank(geometry, condition);
    work.turn().take();
    try (Lanes lanes = new Lanes(rank, work.taps(geometry, condition, task.getCaptureList()));
        LocalLatents latents =
            new LocalLatents(
                work.device(), geometry, task.getLatents(), "latents", model.latentChannels());
        LocalLatents reference = reference(model, geometry)) {
      lanes.prepare();
      work.trace().beginStep();
      StepInput input =
          new StepInput(
              rank.share().isFirstStage() ? latents.matrix() : null,
              timesteps(),
              reference == null ? null : reference.matrix(),
              frameMask(geometry));
      if (rank.share().isLastStage()) {
        predict(lanes, input, rank, geometry);
      } else {
        lanes.step(input, "forward", /* predictions= */ null);
      }
      work.trace().endStep();
    } finally {
      work.turn().giveIfHeld();
    }
  }

  private void predict(Lanes lanes, StepInput input, RankWork rank, Geometry geometry) {
    ModelDescription model = work.model();
    try (Predictions predictions = new Predictions(work.device(), model, geometry)) {
      lanes.step(input, "forward", predictions);
      Range rows = rank.share().rows();
      SliceTap tap = work.tap(geometry, task.getCaptureList(), /* tells= */ true);
      if (tap.wants("output") && !rows.isEmpty()) {
        tap.latents("output", predictions.ofBranches(rows), model.outputChannels(), rows);
      }
    }
  }

  private @Nullable LocalLatents reference(ModelDescription model, Geometry geometry) {
    if (!task.hasReferenceLatents()) {
      return null;
    }
    require(
        model.patches().hasReference(),
        "reference_latents",
        "Expected no reference latents, because %s reads none, but got some"
            .formatted(model.architecture()));
    return new LocalLatents(
        work.device(),
        geometry,
        task.getReferenceLatents(),
        "reference_latents",
        1 + model.latentChannels());
  }

  private List<Branch> branches(ModelDescription model) {
    List<Branch> branches = new ArrayList<>();
    for (ForwardRow row : task.getRowsList()) {
      Branch.Scalars scalars =
          new Branch.Scalars(
              row.getFps(),
              row.getHeight(),
              row.getWidth(),
              row.getAspectRatio(),
              row.getFrames(),
              row.getGuidance());
      branches.add(OrderConditions.branch(branches.size(), row.getCondition(), scalars, model));
    }
    return branches;
  }

  private float[] timesteps() {
    float[] timesteps = new float[task.getRowsCount()];
    for (int row = 0; row < timesteps.length; row++) {
      timesteps[row] = task.getRows(row).getTimestep();
    }
    return timesteps;
  }

  private boolean @Nullable [][] frameMask(Geometry geometry) {
    if (!task.hasFrameMask()) {
      return null;
    }
    int frames = geometry.patching().gridFrames();
    boolean[] flat =
        ProtoTensors.booleans(task.getFrameMask(), "frame_mask", geometry.branches(), frames);
    boolean[][] mask = new boolean[geometry.branches()][];
    for (int branch = 0; branch < mask.length; branch++) {
      mask[branch] = Arrays.copyOfRange(flat, branch * frames, (branch + 1) * frames);
    }
    return mask;
  }
}
