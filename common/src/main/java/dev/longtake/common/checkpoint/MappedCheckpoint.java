package dev.longtake.common.checkpoint;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.common.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * A checkpoint under the names and the partition into layers that a model asks for, whatever those of its file are. Only
 * the rows that are asked for are read.
 */
public final class MappedCheckpoint implements Checkpoint {
  private static final long ALIGNMENT_BYTES = 64;

  private final Checkpoint source;
  private final WeightNames weightNames;

  private MappedCheckpoint(Checkpoint source, WeightNames weightNames) {
    this.source = source;
    this.weightNames = weightNames;
  }

  /**
   * Presents a checkpoint under other names.
   *
   * @param source closed with the result
   */
  public static MappedCheckpoint of(Checkpoint source, WeightNames names) {
    return new MappedCheckpoint(source, names);
  }

  @Override
  public String location() {
    return source.location();
  }

  /** Those of the file, since a model's names need not be listed anywhere. */
  @Override
  public Set<String> names() {
    return source.names();
  }

  /**
   * The file's tensors that these tensors of the model are made of, whether the file has them or not. What the file has
   * besides them is left over.
   */
  public SortedSet<String> tensorsOf(Collection<String> names) {
    return names.stream()
        .flatMap(name -> pieces(name).stream())
        .map(Piece::tensor)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /**
   * Absent when the file lacks one of the pieces.
   *
   * @throws LongtakeException INVALID_CHECKPOINT when the pieces don't fit together
   */
  @Override
  public Optional<TensorInfo> info(String name) {
    List<Piece> pieces = pieces(name);
    return pieces.stream().allMatch(piece -> source.info(piece.tensor()).isPresent())
        ? Optional.of(join(name, parts(name, pieces)))
        : Optional.empty();
  }

  @Override
  public MemorySegment bytes(String name, Arena arena) {
    List<Part> parts = parts(name, pieces(name));
    TensorInfo info = join(name, parts);
    if (parts.size() == 1) {
      return parts.getFirst().bytes(source, arena);
    }
    MemorySegment all = arena.allocate(info.sizeBytes(), ALIGNMENT_BYTES);
    long at = 0;
    for (Part part : parts) {
      try (Arena own = Arena.ofConfined()) {
        all.asSlice(at, part.sizeBytes()).copyFrom(part.bytes(source, own));
      }
      at += part.sizeBytes();
    }
    return all.asReadOnly();
  }

  @Override
  public MemorySegment f32(String name, Arena scratch, long... expectedShape) {
    List<Part> parts = require(name, expectedShape);
    if (parts.size() == 1 && parts.getFirst().dtype() == DType.F32) {
      return Float32Tensors.read(parts.getFirst().bytes(source, scratch), DType.F32, scratch);
    }
    long elements = parts.stream().mapToLong(Part::elements).sum();
    MemorySegment all =
        scratch.allocate(Math.multiplyExact(elements, (long) Float.BYTES), ALIGNMENT_BYTES);
    long at = 0;
    for (Part part : parts) {
      long sizeBytes = part.elements() * Float.BYTES;
      try (Arena own = Arena.ofConfined()) {
        Float32Tensors.convert(part.bytes(source, own), part.dtype(), all.asSlice(at, sizeBytes));
      }
      at += sizeBytes;
    }
    return all;
  }

  @Override
  public void requireFloat(String name, long... expectedShape) {
    require(name, expectedShape);
  }

  @Override
  public void close() {
    source.close();
  }

  private List<Piece> pieces(String name) {
    List<Piece> pieces = weightNames.pieces(name);
    return pieces.isEmpty() ? List.of(Piece.whole(name)) : pieces;
  }

  private List<Part> require(String name, long... expectedShape) {
    List<Piece> pieces = pieces(name);
    if (pieces.size() == 1 && pieces.getFirst().isWhole()) {
      return List.of(
          Part.of(Float32Tensors.require(source, pieces.getFirst().tensor(), expectedShape)));
    }
    List<Part> parts = parts(name, pieces);
    parts.forEach(part -> Float32Tensors.requireFloat(source, part.info()));
    List<Long> expected = Arrays.stream(expectedShape).boxed().toList();
    List<Long> found = join(name, parts).shape();
    if (!found.equals(expected)) {
      throw misfit(
          name,
          parts,
          "of shape " + expected,
          "together their shape is "
              + found
              + "; the config and the weights belong to different models");
    }
    return parts;
  }

  private List<Part> parts(String name, List<Piece> pieces) {
    List<Part> parts = new ArrayList<>();
    for (Piece piece : pieces) {
      TensorInfo info =
          source
              .info(piece.tensor())
              .orElseThrow(() -> Float32Tensors.missing(source, piece.tensor()));
      parts.add(part(name, piece, info));
    }
    return parts;
  }

  private Part part(String name, Piece piece, TensorInfo info) {
    if (piece.isWhole()) {
      return Part.of(info);
    }
    long rows = info.shape().isEmpty() ? 0 : info.shape().getFirst();
    long end = piece.rowEnd() == Piece.ALL_ROWS ? rows : piece.rowEnd();
    if (end > rows || piece.rowStart() >= end) {
      throw new LongtakeException(
          ErrorCode.INVALID_CHECKPOINT,
          "Expected a tensor %s with the rows %d to %d for %s in %s, but its shape is %s; the config and the weights belong to different models"
              .formatted(
                  Quoted.of(piece.tensor()),
                  piece.rowStart(),
                  piece.rowEnd(),
                  Quoted.of(name),
                  location(),
                  info.shape()));
    }
    return new Part(info, piece.rowStart(), end);
  }

  /** The tensor that the parts make, one after the other along the first axis. */
  private TensorInfo join(String name, List<Part> parts) {
    Part first = parts.getFirst();
    if (parts.size() == 1) {
      return new TensorInfo(name, first.dtype(), first.shape(), first.sizeBytes());
    }
    long rows = 0;
    long sizeBytes = 0;
    for (Part part : parts) {
      if (part.shape().isEmpty() || !part.rowShape().equals(first.rowShape())) {
        throw misfit(
            name,
            parts,
            "that differ in their first axis only",
            "their shapes are " + shapes(parts) + "; fetch the checkpoint again");
      }
      if (part.dtype() != first.dtype()) {
        throw misfit(
            name,
            parts,
            "of one type",
            "%s is %s and %s is %s; convert the checkpoint to one type"
                .formatted(
                    Quoted.of(first.info().name()),
                    first.dtype(),
                    Quoted.of(part.info().name()),
                    part.dtype()));
      }
      rows += part.shape().getFirst();
      sizeBytes += part.sizeBytes();
    }
    List<Long> shape = new ArrayList<>(List.of(rows));
    shape.addAll(first.rowShape());
    return new TensorInfo(name, first.dtype(), shape, sizeBytes);
  }

  private LongtakeException misfit(String name, List<Part> parts, String wanted, String found) {
    return new LongtakeException(
        ErrorCode.INVALID_CHECKPOINT,
        "Expected tensors %s for %s %s in %s, but %s"
            .formatted(
                parts.stream().map(Part::toString).collect(Collectors.joining(", ")),
                Quoted.of(name),
                wanted,
                location(),
                found));
  }

  private static String shapes(List<Part> parts) {
    return parts.stream().map(part -> part.shape().toString()).collect(Collectors.joining(", "));
  }

  /**
   * Rows of a tensor that is there.
   *
   * @param rowEnd after the last row; 0 like the start for the whole tensor, which may be a scalar
   */
  private record Part(TensorInfo info, long rowStart, long rowEnd) {
    static Part of(TensorInfo info) {
      return new Part(info, 0, 0);
    }

    private boolean isWhole() {
      return rowEnd == 0;
    }

    DType dtype() {
      return info.dtype();
    }

    List<Long> shape() {
      if (isWhole()) {
        return info.shape();
      }
      List<Long> shape = new ArrayList<>(info.shape());
      shape.set(0, rowEnd - rowStart);
      return shape;
    }

    List<Long> rowShape() {
      return info.shape().isEmpty() ? List.of() : info.shape().subList(1, info.shape().size());
    }

    private long rowBytes() {
      return info.sizeBytes() / info.shape().getFirst();
    }

    long sizeBytes() {
      return isWhole() ? info.sizeBytes() : (rowEnd - rowStart) * rowBytes();
    }

    long elements() {
      return sizeBytes() / dtype().sizeBytes();
    }

    MemorySegment bytes(Checkpoint source, Arena arena) {
      MemorySegment all = source.bytes(info.name(), arena);
      return isWhole() ? all : all.asSlice(rowStart * rowBytes(), sizeBytes());
    }

    @Override
    public String toString() {
      String rows = isWhole() ? "" : " (rows %d to %d)".formatted(rowStart, rowEnd);
      return Quoted.of(info.name()) + rows;
    }
  }
}
