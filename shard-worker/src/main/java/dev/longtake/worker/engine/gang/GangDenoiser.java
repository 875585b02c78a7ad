package dev.longtake.worker.engine.gang;

import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.exec.Predictions;
import dev.longtake.worker.engine.exec.StepInput;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.sampler.Denoiser;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The network as the last stage sees it, however many ranks it is spread over: it gives the first stage the latents, evaluates its
 * own part, and gets the predictions of the other branch groups. Owns its buffers, not the lanes.
 */
public final class GangDenoiser implements Denoiser, AutoCloseable {
  private final RankWork work;
  private final ModelDescription model;
  private final Lanes lanes;
  private final Predictions predictions;
  private final @Nullable BranchExchange branches;
  private @Nullable LatentsLink link;

  /**
   * For a rank of the last stage.
   *
   * @param channels of a row of the batch that others need: those of the prediction, and of a learned variance
   */
  public GangDenoiser(RankWork work, Lanes lanes, IntUnaryOperator channels) {
    this.work = work;
    this.model = work.program().model();
    this.lanes = lanes;
    this.predictions = new Predictions(work.device(), model, work.share().geometry());
    try {
      branches =
          work.share().plan().branchGroups() == 1
              ? null
              : new BranchExchange(work, predictions, channels);
    } catch (Throwable e) {
      predictions.close();
      throw e;
    }
  }

  @Override
  public int latentChannels() {
    return model.latentChannels();
  }

  @Override
  public int outputChannels() {
    return model.outputChannels();
  }

  @Override
  public Matrix predict(StepInput input, String place) {
    work.homeTrace().pause();
    work.homeTrace().begin("exchange latents and predictions");
    if (!work.share().isFirstStage()) {
      link(input).send(latents(input), place);
    }
    work.homeTrace().pause();
    lanes.step(input, place, predictions);
    if (branches != null) {
      work.homeTrace().begin("exchange latents and predictions");
      branches.run(place);
      work.homeTrace().pause();
    }
    work.homeTrace().begin("guide and advance");
    return predictions.latents();
  }

  private LatentsLink link(StepInput input) {
    LatentsLink open = link;
    if (open == null) {
      open =
          new LatentsLink(
              work.device(), work.exchange(work.home()), work.share().atStage(0), latents(input));
      link = open;
    }
    return open;
  }

  private static Matrix latents(StepInput input) {
    Matrix latents = input.latents();
    if (latents == null) {
      throw new IllegalStateException("Expected the sampling loop to have latents");
    }
    return latents;
  }

  @Override
  public void close() {
    if (link != null) {
      link.close();
    }
    if (branches != null) {
      branches.close();
    }
    predictions.close();
  }
}
