package dev.longtake.worker.engine.exec;

import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Pairing;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.device.Rotation;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Program;
import org.jspecify.annotations.Nullable;

/** The position tables of a job, on the device: the sum added to the patches, and the angles of rotary attention. */
final class Positions {
  private final Matrix table;
  private final @Nullable Matrix cosines;
  private final @Nullable Matrix sines;

  /** Tables are allocated from {@code buffers}, which own them. */
  Positions(Device device, Program program, Weights weights, Geometry geometry, Buffers buffers) {
    ModelDescription model = program.model();
    table = uploadTable(device, model, geometry, buffers);
    boolean rotary =
        program.step().stream().anyMatch(i -> i instanceof Instruction.NormRotate n && n.rotary());
    if (rotary) {
      float[] frequencies = Floats.download(device, weights.tensor(model.rotaryFrequencies()));
      int frames = geometry.patching().gridFrames();
      cosines = uploadAngles(device, frames, frequencies, Tables.Part.COSINE, buffers);
      sines = uploadAngles(device, frames, frequencies, Tables.Part.SINE, buffers);
    } else {
      cosines = null;
      sines = null;
    }
  }

  private static Matrix uploadTable(
      Device device, ModelDescription model, Geometry geometry, Buffers buffers) {
    Patching patching = geometry.patching();
    double scale =
        Math.sqrt(geometry.pixelHeight() * geometry.pixelWidth())
            / model.position().inputSquareSize();
    double base = Math.rint(Math.sqrt(patching.patchesPerFrame()));
    Matrix table = buffers.matrix(patching.patchesPerFrame(), model.channels(), "vectors");
    Floats.upload(
        device,
        Tables.positions(
            patching.gridRows(), patching.gridColumns(), model.channels(), scale, base),
        table);
    return table;
  }

  private static Matrix uploadAngles(
      Device device, int frames, float[] frequencies, Tables.Part part, Buffers buffers) {
    Matrix angles = buffers.matrix(frames, frequencies.length, "vectors");
    Floats.upload(device, Tables.rotation(frames, frequencies, part), angles);
    return angles;
  }

  /** [patches of a frame, C]. */
  Matrix table() {
    return table;
  }

  /** By frame; rotary attention needs all frames of a patch, so the layout begins with frame 0. */
  Rotation rotation(TokenLayout layout) {
    if (cosines == null || sines == null) {
      throw new IllegalStateException("Expected a program with rotary attention");
    }
    return new Rotation(cosines, sines, layout.patches().size(), Pairing.ADJACENT);
  }
}
