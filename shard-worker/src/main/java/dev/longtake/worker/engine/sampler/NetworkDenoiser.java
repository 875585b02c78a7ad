package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.exec.Network;
import dev.longtake.worker.engine.exec.Predictions;
import dev.longtake.worker.engine.exec.StepInput;

/** The network, and its patches put together. Owns neither. */
public record NetworkDenoiser(Network network, Predictions predictions) implements Denoiser {
  @Override
  public Matrix predict(StepInput input, String place) {
    return predictions.unpatchify(network.step(input, place));
  }
}
