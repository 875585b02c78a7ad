package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Kernels;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.device.Rotation;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Position;
import dev.longtake.worker.engine.model.Rotary;
import dev.longtake.worker.engine.program.Instruction;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The position tables of a job, on the device; allocated from {@code buffers}, which own them. */
final class Positions {
  private static final int UPLOAD_TOKENS = 4096;

  private final Device device;
  private final ModelDescription model;
  private final Weights weights;
  private final Geometry geometry;
  private final Condition condition;
  private final Buffers buffers;
  private final Map<Position, Matrix> tables = new HashMap<>();
  private final Map<SequencePlace, Matrix> sequenceTables = new HashMap<>();
  private final Map<TokenLayout, Angles> placeAngles = new HashMap<>();
  private @Nullable Angles frameAngles;

  Positions(
      Device device,
      ModelDescription model,
      Weights weights,
      Geometry geometry,
      Condition condition,
      Buffers buffers) {
    this.device = device;
    this.model = model;
    this.weights = weights;
    this.geometry = geometry;
    this.condition = condition;
    this.buffers = buffers;
  }

  /** Cosines and sines, [positions, D / 2] each. */
  private record Angles(Matrix cosines, Matrix sines) {}

  /** Consecutive tokens of a sequence whose grid has {@code side} columns. */
  private record SequencePlace(int first, int tokens, int side) {}

  /**
   * Makes the tables that instructions need, so that they can be read by several threads afterwards; those of sequences are made when
   * they are first read.
   */
  void load(List<Instruction> instructions) {
    for (Instruction instruction : instructions) {
      switch (instruction) {
        case Instruction.AddPosition add -> load(add.position());
        case Instruction.ReadWithPosition read -> load(read.position());
        case Instruction.NormRotate norm when norm.rotary() -> {
          if (model.rotary() instanceof Rotary.Frames(String frequencies)) {
            frameAngles(frequencies);
          }
        }
        default -> {}
      }
    }
  }

  private void load(@Nullable Position position) {
    boolean isNeeded =
        switch (position) {
          case null -> false;
          case Position.Grid _ -> true;
          case Position.Frames frames -> hasFrames(frames);
          case Position.Sequence _ -> false;
        };
    if (isNeeded && position != null) {
      table(position);
    }
  }

  /** An image has no frames to tell apart, in models that were not trained so. */
  private boolean hasFrames(Position.Frames frames) {
    return geometry.patching().gridFrames() > 1 || frames.ofImages();
  }

  /** Adds positions to rows {@code [branch, frame, patch]} of the layout, F32. */
  void add(Kernels kernels, Position position, Matrix patches, TokenLayout layout) {
    switch (position) {
      case Position.Grid grid -> {
        Range held = layout.patches();
        kernels.addRows(patches, table(grid).rows(held.start(), held.end()), 1);
      }
      case Position.Frames frames -> {
        if (!hasFrames(frames)) {
          return;
        }
        Range held = layout.frames();
        kernels.addRows(
            patches, table(frames).rows(held.start(), held.end()), layout.patches().size());
      }
      case Position.Sequence sequence -> {
        int count = layout.patchesOfBranch();
        for (int branch = 0; branch < layout.branches().size(); branch++) {
          int first =
              textTokens(branch) + layout.frames().start() * geometry.patching().patchesPerFrame();
          addSequence(sequence, branch, first, patches.rows(branch * count, (branch + 1) * count));
        }
      }
    }
  }

  /** Adds positions of the sequence to text rows, packed branch by branch. */
  void addText(Position.Sequence sequence, Matrix text, TokenLayout layout) {
    for (int branch = 0; branch < layout.branches().size(); branch++) {
      Range rows = layout.textRows(branch);
      addSequence(
          sequence, branch, layout.text().get(branch).start(), text.rows(rows.start(), rows.end()));
    }
  }

  private void addSequence(Position.Sequence sequence, int branch, int first, Matrix rows) {
    if (rows.rows() > 0) {
      var place = new SequencePlace(first, rows.rows(), side(sequence, branch));
      device.addRows(rows, sequenceTables.computeIfAbsent(place, this::upload), 1);
    }
  }

  private int textTokens(int branch) {
    return model.textIsSequence() ? condition.branches().get(branch).paddedTokens() : 0;
  }

  private int side(Position.Sequence sequence, int branch) {
    Patching patching = geometry.patching();
    int tokens = textTokens(branch) + patching.gridFrames() * patching.patchesPerFrame();
    int length = Math.max(tokens, condition.branches().get(branch).paddedSequence());
    return (int) Math.ceil(Math.sqrt(Math.max(length, sequence.tokens())));
  }

  /** In parts: a clip's table is too large to exist a second time on the host. */
  private Matrix upload(SequencePlace place) {
    Matrix all = buffers.matrix(place.tokens(), model.channels(), "positions");
    for (int from = 0; from < place.tokens(); from += UPLOAD_TOKENS) {
      int to = Math.min(place.tokens(), from + UPLOAD_TOKENS);
      Floats.upload(
          device,
          Tables.sequencePositions(place.first() + from, to - from, place.side(), model.channels()),
          all.rows(from, to));
    }
    return all;
  }

  private Matrix upload(float[] table) {
    Matrix matrix = buffers.matrix(table.length / model.channels(), model.channels(), "positions");
    Floats.upload(device, table, matrix);
    return matrix;
  }

  /** The whole table of a position that is the same for all branches. */
  private Matrix table(Position position) {
    return tables.computeIfAbsent(
        position,
        key ->
            switch (key) {
              case Position.Grid grid -> upload(grid(grid));
              case Position.Frames frames ->
                  upload(
                      Tables.framePositions(
                          geometry.patching().gridFrames(), model.channels(), frames.scale()));
              case Position.Sequence _ ->
                  throw new IllegalArgumentException("Expected a table of all branches");
            });
  }

  private float[] grid(Position.Grid grid) {
    Patching patching = geometry.patching();
    double scale = grid.scale();
    if (grid.inputSquareSize() > 0) {
      scale *= Math.sqrt(geometry.pixelHeight() * geometry.pixelWidth()) / grid.inputSquareSize();
    }
    double base = grid.base().cells(patching.patchesPerFrame());
    return Tables.positions(
        patching.gridRows(), patching.gridColumns(), model.channels(), scale, base);
  }

  /** Of the patches in the layout. */
  Rotation rotation(TokenLayout layout) {
    Rotary rotary = model.rotary();
    if (rotary == null) {
      throw new IllegalStateException("Expected rotary positions in " + model.architecture());
    }
    return switch (rotary) {
      case Rotary.Frames(String frequencies) -> {
        yield rotation(frameAngles(frequencies), layout.frames(), layout.patches().size(), rotary);
      }
      case Rotary.Axes axes -> {
        Angles turned =
            placeAngles.computeIfAbsent(
                layout, key -> upload(Tables.axesAngles(axes, places(key))));
        yield rotation(turned, new Range(0, layout.patchesOfBranch()), 1, rotary);
      }
    };
  }

  private Angles frameAngles(String frequencies) {
    Angles angles = frameAngles;
    if (angles == null) {
      float[] values = Floats.download(device, weights.tensor(frequencies));
      angles = upload(Tables.frameAngles(geometry.patching().gridFrames(), values));
      frameAngles = angles;
    }
    return angles;
  }

  private static Rotation rotation(
      Angles angles, Range positions, int rowsPerPosition, Rotary rotary) {
    return new Rotation(
        angles.cosines().rows(positions.start(), positions.end()),
        angles.sines().rows(positions.start(), positions.end()),
        rowsPerPosition,
        rotary.pairing());
  }

  private Angles upload(double[] all) {
    int columns = model.headDimension() / 2;
    Matrix cosines = buffers.matrix(all.length / columns, columns, "positions");
    Matrix sines = buffers.matrix(all.length / columns, columns, "positions");
    Floats.upload(device, Tables.of(all, StrictMath::cos), cosines);
    Floats.upload(device, Tables.of(all, StrictMath::sin), sines);
    return new Angles(cosines, sines);
  }

  /** Frame, row and column of each patch that this rank holds. */
  private List<int[]> places(TokenLayout layout) {
    int columns = geometry.patching().gridColumns();
    List<int[]> places = new ArrayList<>();
    for (int frame = layout.frames().start(); frame < layout.frames().end(); frame++) {
      for (int patch = layout.patches().start(); patch < layout.patches().end(); patch++) {
        places.add(new int[] {frame, patch / columns, patch % columns});
      }
    }
    return places;
  }
}
