package dev.longtake.common.checkpoint;

import dev.longtake.common.checkpoint.PickledTensor.Storage;
import dev.longtake.common.checkpoint.PytorchArchive.Region;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A state dict as {@code torch.save} writes it since PyTorch 1.6 ({@code .pt}, {@code .pth}, {@code .bin}): a zip archive
 * of a pickle with names and shapes, and of the tensors' bytes, which are mapped from the file one by one. The pickle is
 * read without executing anything. In a checkpoint of a training run the state dict is looked for under the usual names,
 * averaged weights first. Files may be larger than 2 GiB.
 */
public final class PytorchFile implements Checkpoint {
  /**
   * A tensor that has been checked against the file.
   *
   * @param offsetBytes of the first element, from the start of the file
   */
  private record Found(TensorInfo info, long offsetBytes, PickledTensor view) {}

  private final Path file;
  private final SortedMap<String, Found> tensors;

  private PytorchFile(Path file, SortedMap<String, Found> tensors) {
    this.file = file;
    this.tensors = tensors;
  }

  /**
   * Reads names and shapes.
   *
   * @throws LongtakeException INVALID_CHECKPOINT when the file is missing, truncated, contradicts itself, or its pickle
   *     refers to anything but tensors in plain containers
   */
  public static PytorchFile open(Path file) {
    FileMapping.requireFile(file, "PyTorch file");
    PytorchArchive archive = PytorchArchive.open(file);
    Object saved = new TensorUnpickler(file.toString()).read(archive.pickleBytes());
    SortedMap<String, Found> tensors = new TreeMap<>();
    StateDict.find(saved, file.toString())
        .forEach((name, tensor) -> tensors.put(name, check(archive, name, tensor)));
    return new PytorchFile(file, tensors);
  }

  private static Found check(PytorchArchive archive, String name, PickledTensor tensor) {
    Storage storage = tensor.storage();
    Region region = archive.storages().get(storage.key());
    if (region == null) {
      throw invalid(
          archive.file(),
          name,
          "with its data in the entry " + Quoted.of("data/" + storage.key()),
          "there is no such entry; fetch the file again");
    }
    int elementBytes = storage.dtype().sizeBytes();
    if (storage.elements() < 0 || region.sizeBytes() / elementBytes < storage.elements()) {
      throw invalid(
          archive.file(),
          name,
          "in a storage of %d %s".formatted(storage.elements(), storage.dtype()),
          "its entry %s has %d bytes; the file is truncated or damaged, fetch it again"
              .formatted(Quoted.of("data/" + storage.key()), region.sizeBytes()));
    }
    long elements = elements(archive.file(), name, tensor);
    return new Found(
        new TensorInfo(name, storage.dtype(), tensor.shape(), elements * elementBytes),
        region.offsetBytes() + (elements == 0 ? 0 : tensor.offset() * elementBytes),
        tensor);
  }

  /** The shape's product, once it is clear that every element lies in the storage and none is repeated. */
  private static long elements(Path file, String name, PickledTensor tensor) {
    long available = tensor.storage().elements();
    boolean fits = tensor.offset() >= 0 && tensor.shape().stream().noneMatch(n -> n < 0);
    if (fits && tensor.shape().contains(0L)) {
      return 0;
    }
    long elements = 1;
    long last = tensor.offset();
    for (int axis = 0; fits && axis < tensor.shape().size(); axis++) {
      long extent = tensor.shape().get(axis);
      long stride = tensor.strides().get(axis);
      fits =
          stride >= 0
              && elements <= available / extent
              && (extent == 1 || stride <= available / (extent - 1));
      elements *= extent;
      last += (extent - 1) * stride;
      fits = fits && last >= 0 && last < available;
    }
    if (!fits || last >= available) {
      throw invalid(
          file,
          name,
          "whose elements are among the %d of its storage, each at most once".formatted(available),
          "its offset is %d, its shape %s and its strides are %s; the file is damaged or holds an expanded view, save the tensor with contiguous()"
              .formatted(
                  tensor.offset(),
                  Quoted.line(tensor.shape().toString()),
                  Quoted.line(tensor.strides().toString())));
    }
    return elements;
  }

  private static LongtakeException invalid(Path file, String name, String wanted, String found) {
    return new LongtakeException(
        ErrorCode.INVALID_CHECKPOINT,
        "Expected a tensor %s %s in %s, but %s".formatted(Quoted.of(name), wanted, file, found));
  }

  @Override
  public String location() {
    return file.toString();
  }

  @Override
  public Set<String> names() {
    return tensors.keySet();
  }

  @Override
  public Optional<TensorInfo> info(String name) {
    return Optional.ofNullable(tensors.get(name)).map(Found::info);
  }

  @Override
  public MemorySegment bytes(String name, Arena arena) {
    @Nullable Found tensor = tensors.get(name);
    if (tensor == null) {
      throw Float32Tensors.missing(this, name);
    }
    if (tensor.info.sizeBytes() == 0 || tensor.view.isContiguous()) {
      return FileMapping.map(file, name, tensor.offsetBytes, tensor.info.sizeBytes(), arena);
    }
    MemorySegment to = arena.allocate(tensor.info.sizeBytes(), tensor.info.dtype().sizeBytes());
    try (Arena own = Arena.ofConfined()) {
      long spanBytes = tensor.view.span() * tensor.info.dtype().sizeBytes();
      tensor.view.copy(FileMapping.map(file, name, tensor.offsetBytes, spanBytes, own), to);
    }
    return to.asReadOnly();
  }

  /** Holds nothing open. */
  @Override
  public void close() {}
}
