package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.exec.StepInput;

/** What a sampler asks for predictions: the network, seen as latents in, latents out. */
public interface Denoiser {
  /** Channels of the latents, and of the prediction. */
  int latentChannels();

  /** Channels that are predicted for every row: the prediction, and where it is learned as many for the variance. */
  int outputChannels();

  /**
   * Predicts for every row of the batch.
   *
   * @param place for errors: {@code "step 3"}
   * @return rows {@code [branch, output channel, frame]} of this rank's frames, columns {@code [height * width]}, F32; valid until
   *     the next call
   */
  Matrix predict(StepInput input, String place);
}
