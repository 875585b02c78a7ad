package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.exec.Network;
import dev.longtake.worker.engine.exec.Predictions;
import dev.longtake.worker.engine.exec.StepInput;
import dev.longtake.worker.engine.model.ModelDescription;

/** The network, and its patches put together. Owns neither. */
public record NetworkDenoiser(ModelDescription model, Network network, Predictions predictions)
    implements Denoiser {
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
    return predictions.unpatchify(network.step(input, place));
  }
}
