package dev.longtake.worker.order;

import static dev.longtake.worker.order.OrderGeometry.require;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.SamplingTask;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.sampler.Ancestral;
import dev.longtake.worker.engine.sampler.Ddim;
import dev.longtake.worker.engine.sampler.DpmSolver;
import dev.longtake.worker.engine.sampler.Guidance;
import dev.longtake.worker.engine.sampler.GuidedFlow;
import dev.longtake.worker.engine.sampler.RectifiedFlow;
import dev.longtake.worker.engine.sampler.Sampler;
import dev.longtake.worker.engine.sampler.Spacing;
import java.util.Locale;

/** The sampler and the guidance that a task asks for, checked. */
final class OrderSampler {
  /** Far more than any sampler needs. */
  private static final int MAX_STEPS = 10_000;

  /** Below, the linear betas get near 1 and nothing is left of the clip. */
  private static final int MIN_TIMESTEPS = 100;

  private static final int MAX_TIMESTEPS = 100_000;

  /** The timestep transform counts latent frames in units of this many frames, and none below. */
  private static final int TRANSFORM_FRAMES = 17;

  private OrderSampler() {}

  /**
   * The sampler of a task.
   *
   * @throws LongtakeException INVALID_REQUEST naming the field, its value and what is allowed
   */
  static Sampler sampler(SamplingTask task, ModelDescription model) {
    return switch (task.getScheduleCase()) {
      case RECTIFIED_FLOW -> rectifiedFlow(task);
      case GUIDED_FLOW -> {
        var flow = task.getGuidedFlow();
        steps("guided_flow", flow.getSteps(), MAX_STEPS);
        yield new GuidedFlow(flow.getSteps(), flow.getShift());
      }
      case ANCESTRAL -> {
        var ancestral = task.getAncestral();
        diffusion("ancestral", ancestral.getSteps(), ancestral.getTimesteps());
        boolean learned = model.outputChannels() >= 2 * model.latentChannels();
        yield new Ancestral(
            ancestral.getSteps(), ancestral.getTimesteps(), ancestral.getFloat32Tables(), learned);
      }
      case DDIM -> ddim(task);
      case DPM_SOLVER -> dpmSolver(task);
      case SCHEDULE_NOT_SET ->
          throw LongtakeException.invalidField(
              "schedule",
              "Expected a schedule (rectified_flow, guided_flow, ancestral, ddim or dpm_solver),"
                  + " but got none");
    };
  }

  private static RectifiedFlow rectifiedFlow(SamplingTask task) {
    var flow = task.getRectifiedFlow();
    steps("rectified_flow", flow.getSteps(), MAX_STEPS);
    require(
        flow.getTimesteps() >= 1,
        "rectified_flow.timesteps",
        "Expected at least 1 timestep, but got %d".formatted(flow.getTimesteps()));
    int frames = task.getGeometry().getPixelFrames();
    require(
        !flow.getTransform() || frames == 1 || frames >= TRANSFORM_FRAMES,
        "rectified_flow.transform",
        "Expected 1 or at least %d frames for the timestep transform, but got %d"
            .formatted(TRANSFORM_FRAMES, frames));
    return new RectifiedFlow(
        flow.getSteps(), flow.getTimesteps(), flow.getDiscrete(), flow.getTransform());
  }

  private static Ddim ddim(SamplingTask task) {
    var ddim = task.getDdim();
    diffusion("ddim", ddim.getSteps(), ddim.getTimesteps());
    require(
        ddim.getEta() >= 0 && ddim.getEta() <= 1,
        "ddim.eta",
        "Expected an eta between 0 and 1, but got %s".formatted(ddim.getEta()));
    Spacing.Kind kind =
        switch (ddim.getSpacing()) {
          case SPACING_UNSPECIFIED, SPACING_EVENLY -> Spacing.Kind.EVENLY;
          case SPACING_LEADING -> Spacing.Kind.LEADING;
          case SPACING_TRAILING -> Spacing.Kind.TRAILING;
          case UNRECOGNIZED ->
              throw LongtakeException.invalidField(
                  "ddim.spacing",
                  "Expected spacing evenly, leading or trailing, but got number %d"
                      .formatted(ddim.getSpacingValue()));
        };
    // The last kept timestep is (steps - 1) * (timesteps / steps) without the offset.
    int most =
        kind == Spacing.Kind.LEADING
            ? ddim.getTimesteps()
                - 1
                - (ddim.getSteps() - 1) * (ddim.getTimesteps() / ddim.getSteps())
            : 0;
    require(
        ddim.getOffset() >= 0 && ddim.getOffset() <= most,
        "ddim.offset",
        "Expected an offset of 0 to %d for spacing %s, but got %d"
            .formatted(most, kind.name().toLowerCase(Locale.ROOT), ddim.getOffset()));
    return new Ddim(
        ddim.getSteps(),
        ddim.getTimesteps(),
        new Spacing(kind, ddim.getOffset()),
        ddim.getEta(),
        ddim.getNoisyEnd());
  }

  private static DpmSolver dpmSolver(SamplingTask task) {
    var solver = task.getDpmSolver();
    diffusion("dpm_solver", solver.getSteps(), solver.getTimesteps());
    DpmSolver.Spacing spacing =
        switch (solver.getSpacing()) {
          case SPACING_UNSPECIFIED, SPACING_TIME_UNIFORM -> DpmSolver.Spacing.TIME_UNIFORM;
          case SPACING_LINSPACE -> DpmSolver.Spacing.LINSPACE;
          case UNRECOGNIZED ->
              throw LongtakeException.invalidField(
                  "dpm_solver.spacing",
                  "Expected spacing time_uniform or linspace, but got number %d"
                      .formatted(solver.getSpacingValue()));
        };
    boolean linspace = spacing == DpmSolver.Spacing.LINSPACE;
    require(
        linspace ? solver.getSteps() < solver.getTimesteps() : solver.getSteps() >= 2,
        "dpm_solver.steps",
        "Expected at least 2 steps for time_uniform spacing and fewer than timesteps for linspace, but got %d of %d"
            .formatted(solver.getSteps(), solver.getTimesteps()));
    require(
        !linspace || solver.getNoisyEnd() || solver.getFirstOrderEnd(),
        "dpm_solver.first_order_end",
        "Expected a last step of order 1 where it ends without noise, but got order 2; set"
            + " first_order_end or noisy_end");
    require(
        linspace || !solver.getNoisyEnd(),
        "dpm_solver.noisy_end",
        "Expected noisy_end with linspace spacing only, but got it with time_uniform, which always"
            + " ends so");
    return new DpmSolver(
        solver.getSteps(),
        solver.getTimesteps(),
        spacing,
        solver.getFirstOrderEnd(),
        solver.getNoisyEnd());
  }

  private static void diffusion(String field, int steps, int timesteps) {
    require(
        timesteps >= MIN_TIMESTEPS && timesteps <= MAX_TIMESTEPS,
        field + ".timesteps",
        "Expected %d to %d timesteps, but got %d"
            .formatted(MIN_TIMESTEPS, MAX_TIMESTEPS, timesteps));
    steps(field, steps, timesteps);
  }

  private static void steps(String field, int steps, int most) {
    require(
        steps >= 1 && steps <= most,
        field + ".steps",
        "Expected at least 1 step and at most %d, but got %d".formatted(most, steps));
  }

  /**
   * The guidance of a task.
   *
   * @throws LongtakeException INVALID_REQUEST
   */
  static Guidance guidance(SamplingTask task, ModelDescription model) {
    var guidance = task.getGuidance();
    finite("guidance.strength", guidance.getStrength());
    int channels = model.latentChannels();
    int guided = guidance.getGuidedChannels();
    require(
        guided >= 0 && guided <= channels,
        "guidance.guided_channels",
        "Expected 0 (all) to %d guided channels, but got %d".formatted(channels, guided));
    Guidance.Image image = null;
    if (guidance.hasImage()) {
      var towards = guidance.getImage();
      finite("guidance.image.strength", towards.getStrength());
      require(
          !guidance.getDistilled(),
          "guidance.image",
          "Expected no image guidance for a distilled model, because it has one row per sample, but got strength %s"
              .formatted(towards.getStrength()));
      image =
          new Guidance.Image(
              towards.getStrength(), towards.getOscillating(), towards.getTemporalScaling());
    }
    return new Guidance(
        guidance.getStrength(),
        guidance.getDistilled(),
        guided == 0 ? channels : guided,
        image,
        guidance.getOscillating());
  }

  private static void finite(String field, double strength) {
    require(
        Double.isFinite(strength),
        field,
        "Expected a finite guidance, but got %s".formatted(strength));
  }
}
