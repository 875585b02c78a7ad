package dev.longtake.worker.order;

import static dev.longtake.worker.order.OrderGeometry.require;

import dev.longtake.v1.ForwardRow;
import dev.longtake.v1.ForwardTask;
import dev.longtake.v1.WorkEvent;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.exec.Branch;
import dev.longtake.worker.engine.exec.Condition;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.exec.Network;
import dev.longtake.worker.engine.exec.Predictions;
import dev.longtake.worker.engine.exec.StepInput;
import dev.longtake.worker.engine.exec.Weights;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.program.Program;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** One evaluation of the network with captured intermediates. */
final class ForwardOrder {
  private final Device device;
  private final Program program;
  private final Weights weights;
  private final ForwardTask task;
  private final Exchange exchange;
  private final Consumer<WorkEvent> events;

  ForwardOrder(
      Device device,
      Program program,
      Weights weights,
      ForwardTask task,
      Exchange exchange,
      Consumer<WorkEvent> events) {
    this.device = device;
    this.program = program;
    this.weights = weights;
    this.task = task;
    this.exchange = exchange;
    this.events = events;
  }

  /** Returns the nanoseconds spent in exchanges. */
  long run() {
    ModelDescription model = program.model();
    int branches = task.getRowsCount();
    require(branches >= 1, "rows", "Expected at least one row, but got none");
    Geometry geometry = OrderGeometry.geometry(task.getGeometry(), model, branches, exchange);
    Condition condition = new Condition(branches(model), task.hasFrameMask());
    SliceTap tap = new SliceTap(device, geometry, task.getCaptureList(), events);
    try (Network network =
            new Network(device, program, weights, geometry, condition, exchange, tap);
        Predictions predictions = new Predictions(device, model, geometry);
        LocalLatents latents =
            new LocalLatents(
                device, geometry, task.getLatents(), "latents", model.latentChannels());
        LocalLatents reference = reference(model, geometry)) {
      network.prepare();
      Matrix patches =
          network.step(
              new StepInput(
                  latents.matrix(),
                  timesteps(),
                  reference == null ? null : reference.matrix(),
                  frameMask(geometry)),
              "forward");
      Matrix output = predictions.unpatchify(patches);
      if (tap.wants("output")) {
        tap.latents("output", output, model.outputChannels());
      }
      return network.exchangeNanos();
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
        device,
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
