package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Kernels;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.device.RowVectors;
import dev.longtake.worker.engine.model.FinalLayer;
import dev.longtake.worker.engine.model.Gate;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Modulation;
import dev.longtake.worker.engine.model.Stream;
import dev.longtake.worker.engine.program.Value;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Norms, modulations and gated sums on the tokens of a stream: which vector goes to which rows. */
final class Modulators {
  private final ModelDescription model;
  private final Buffers buffers;
  private final Vectors vectors;

  Modulators(ModelDescription model, Buffers buffers, Vectors vectors) {
    this.model = model;
    this.buffers = buffers;
    this.vectors = vectors;
  }

  /** Rows in groups of equal length, each with a vector row of its own. */
  private record Section(Range rows, int[] vectorOfGroup, int rowsPerGroup) {}

  /** {@code out = norm(residual) * (1 + scale) + shift}; all rows. */
  void modulate(Tokens tokens, Matrix out, Stream stream, Modulation modulation) {
    TokenLayout layout = tokens.layout();
    for (Section section : sections(stream, layout, vectors.groups(layout))) {
      modulate(tokens, tokens.residual(), out, modulation, section);
    }
  }

  private void modulate(
      Tokens tokens, Matrix in, Matrix out, Modulation modulation, Section section) {
    tokens
        .kernels()
        .modulate(
            rows(in, section.rows()),
            rows(out, section.rows()),
            rowVectors(modulation.source(), modulation.shift(), section),
            rowVectors(modulation.source(), modulation.scale(), section),
            model.normEpsilon());
  }

  /** The final layer's norm on the patches; all rows. */
  void modulateFinal(Tokens tokens, Matrix out, FinalLayer layer) {
    TokenLayout layout = tokens.layout();
    if (!layer.maskedFramesTwice()) {
      modulate(tokens, out, Stream.PATCHES, layer.modulation());
      return;
    }
    Section ordinary = patches(layout, vectors.ordinaryGroups(layout));
    modulate(tokens, tokens.residual(), out, layer.modulation(), ordinary);
    vectors
        .maskedGroups(layout)
        .ifPresent(
            groups -> modulate(tokens, out, out, layer.modulation(), patches(layout, groups)));
  }

  /** {@code residual += gate * (in * W^T + bias)}; all rows. */
  void addProjection(
      Tokens tokens, PackedLinear layer, Matrix in, Stream stream, @Nullable Gate gate) {
    TokenLayout layout = tokens.layout();
    Kernels kernels = tokens.kernels();
    Matrix residual = tokens.residual();
    if (gate == null) {
      Range rows = layout.rows(stream);
      kernels.linearResidual(layer, rows(in, rows), rows(residual, rows), /* gate= */ null);
      return;
    }
    int[] groups =
        gate.maskedFramesOrdinary() ? vectors.ordinaryGroups(layout) : vectors.groups(layout);
    for (Section section : sections(stream, layout, groups)) {
      kernels.linearResidual(
          layer,
          rows(in, section.rows()),
          rows(residual, section.rows()),
          rowVectors(gate.source(), gate.row(), section));
    }
  }

  private List<Section> sections(Stream stream, TokenLayout layout, int[] patchGroups) {
    List<Section> sections = new ArrayList<>();
    for (int branch = 0; stream.hasText() && branch < layout.branches().size(); branch++) {
      Range rows = layout.textRows(branch);
      if (!rows.isEmpty()) {
        sections.add(new Section(rows, new int[] {branch}, rows.size()));
      }
    }
    if (stream.hasPatches()) {
      sections.add(patches(layout, patchGroups));
    }
    return sections;
  }

  private static Section patches(TokenLayout layout, int[] groups) {
    return new Section(layout.rows(Stream.PATCHES), groups, layout.patches().size());
  }

  private RowVectors rowVectors(Modulation.Source source, int row, Section section) {
    int channels = model.channels();
    Matrix table = buffers.small(Value.of(source));
    return new RowVectors(
        table.columns(row * channels, (row + 1) * channels),
        section.vectorOfGroup(),
        section.rowsPerGroup());
  }

  private static Matrix rows(Matrix matrix, Range range) {
    return matrix.rows(range.start(), range.end());
  }
}
