package dev.longtake.ops.bench;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.checkpoint.Checkpoints;
import dev.longtake.common.checkpoint.SafetensorsWriter;
import dev.longtake.common.tensor.DType;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.Precision;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.WorkOrder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;

/**
 * A sampling run that workers and {@link TorchPeer} both do, from the same weights and inputs: rectified flow with guidance, two rows.
 *
 * @param model what a worker is started with
 * @param dit the folder with the transformer's configuration and weights
 * @param latents [1, channels, frames, height, width] it begins with
 * @param prompt [tokens, text channels], encoded
 */
record SamplingCase(
    Path model,
    Path dit,
    ClipGeometry geometry,
    Tensor latents,
    Tensor prompt,
    int steps,
    double guidance) {
  private static final int LATENT_CHANNELS = 4;

  /** From random latents and a random prompt. */
  static SamplingCase random(
      Path model,
      Path dit,
      StepClip clip,
      int textTokens,
      int textChannels,
      int steps,
      double guidance,
      long seed) {
    Random random = new Random(seed);
    return new SamplingCase(
        model,
        dit,
        clip.geometry(),
        RandomTasks.normal(random, 1, LATENT_CHANNELS, clip.frames(), clip.height(), clip.width()),
        RandomTasks.normal(random, textTokens, textChannels),
        steps,
        guidance);
  }

  /** For workers; captures {@link RandomTasks#FINAL}. */
  WorkOrder order(Precision precision) {
    WorkOrder.Builder order =
        RandomTasks.rectifiedFlow(geometry, 1, 1, steps, /* seed= */ 0).toBuilder()
            .setPrecision(precision);
    order.getSamplingBuilder().setLatents(latents).getGuidanceBuilder().setStrength(guidance);
    order.getSamplingBuilder().getPromptsBuilder(0).setEmbedding(prompt);
    return order.build();
  }

  /**
   * Writes it for the peer.
   *
   * @param folder of its own
   * @param name of the output
   * @return the task
   */
  Path write(Path folder, String name) {
    Path inputs = folder.resolve(name + "-inputs.safetensors");
    Path task = folder.resolve(name + "-task.json");
    try {
      var writer = new SafetensorsWriter();
      add(writer, "latents", latents);
      add(writer, "prompt", prompt);
      writer.write(inputs);
      JsonObject json = new JsonObject();
      json.addProperty("model", dit.toAbsolutePath().toString());
      json.addProperty("inputs", inputs.toString());
      json.addProperty("steps", steps);
      json.addProperty("guidance", guidance);
      json.addProperty("fps", geometry.getFps());
      json.addProperty("height", geometry.getPixelHeight());
      json.addProperty("width", geometry.getPixelWidth());
      json.addProperty("output", output(folder, name).toString());
      Files.writeString(task, new Gson().toJson(json));
      return task;
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot write a task for PyTorch to " + folder, e);
    }
  }

  private static void add(SafetensorsWriter writer, String name, Tensor tensor) {
    MemorySegment bytes = MemorySegment.ofBuffer(tensor.getData().asReadOnlyByteBuffer());
    writer.add(name, DType.F32, tensor.getShapeList(), bytes);
  }

  /** Where the peer writes its latents. */
  static Path output(Path folder, String name) {
    return folder.resolve(name + "-output.safetensors");
  }

  /** The latents in a file of {@link #output}. */
  float[] read(Path output) {
    try (Checkpoint file = Checkpoints.open(output);
        Arena arena = Arena.ofConfined()) {
      long[] shape = latents.getShapeList().stream().mapToLong(Long::longValue).toArray();
      return file.f32("latents", arena, shape).toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
    }
  }
}
