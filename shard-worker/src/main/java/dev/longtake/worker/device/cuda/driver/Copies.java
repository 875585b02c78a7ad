package dev.longtake.worker.device.cuda.driver;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import jcuda.driver.CUDA_MEMCPY2D;
import jcuda.driver.CUmemorytype;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;
import org.jspecify.annotations.Nullable;

/**
 * Copies of rows through pinned memory, piece by piece: two buffers for each direction, so that while the GPU copies one piece the host
 * reads or writes another. For one thread at a time.
 */
final class Copies implements AutoCloseable {
  /** Of each of the four buffers. */
  static final int BUFFER_BYTES = 8 << 20;

  private static final int ALIGNMENT_BYTES = 256;

  private final CudaErrors errors;
  private final CUstream stream;
  private final List<PinnedBuffer> up = new ArrayList<>();
  private final List<PinnedBuffer> down = new ArrayList<>();
  private int filling; // of the upload buffers
  private long filledBytes;

  Copies(CudaErrors errors, CUstream stream) {
    this.errors = errors;
    this.stream = stream;
    try {
      for (int i = 0; i < 2; i++) {
        up.add(new PinnedBuffer(errors, stream, BUFFER_BYTES));
        down.add(new PinnedBuffer(errors, stream, BUFFER_BYTES));
      }
    } catch (Throwable e) {
      close();
      throw e;
    }
  }

  /**
   * Some rows of a copy, or a part of one.
   *
   * @param hostOffset where they are in the host's dense rows
   * @param address of the first one on the GPU
   */
  private record Piece(long hostOffset, long address, long widthBytes, int rows) {
    long sizeBytes() {
      return widthBytes * rows;
    }
  }

  /** What is done with the pieces of a copy, in order. */
  private interface PieceAction {
    void accept(Piece piece);
  }

  private static void forEachPiece(
      long address, long pitchBytes, long rowBytes, int rows, PieceAction action) {
    if (pitchBytes == rowBytes || rows == 1) {
      split(0, address, rowBytes * rows, action);
    } else if (rowBytes <= BUFFER_BYTES) {
      int most = (int) (BUFFER_BYTES / rowBytes);
      for (int row = 0; row < rows; row += most) {
        int count = Math.min(most, rows - row);
        action.accept(new Piece(row * rowBytes, address + row * pitchBytes, rowBytes, count));
      }
    } else {
      for (int row = 0; row < rows; row++) {
        split(row * rowBytes, address + row * pitchBytes, rowBytes, action);
      }
    }
  }

  private static void split(long hostOffset, long address, long sizeBytes, PieceAction action) {
    for (long done = 0; done < sizeBytes; done += BUFFER_BYTES) {
      long width = Math.min(BUFFER_BYTES, sizeBytes - done);
      action.accept(new Piece(hostOffset + done, address + done, width, 1));
    }
  }

  /**
   * Takes rows from the host, which may be used again on return, and brings them to the GPU later. Small ones share a buffer: only when
   * both are full does the host wait.
   */
  void upload(MemorySegment host, long address, long pitchBytes, long rowBytes, int rows) {
    forEachPiece(
        address,
        pitchBytes,
        rowBytes,
        rows,
        piece -> {
          String operation = "upload %d bytes".formatted(piece.sizeBytes());
          if (filledBytes + piece.sizeBytes() > BUFFER_BYTES) {
            up.get(filling).mark();
            filling = 1 - filling;
            up.get(filling).await(operation);
            filledBytes = 0;
          }
          PinnedBuffer buffer = up.get(filling);
          MemorySegment.copy(
              host, piece.hostOffset(), buffer.host(), filledBytes, piece.sizeBytes());
          CUDA_MEMCPY2D copy = copy(piece);
          copy.srcMemoryType = CUmemorytype.CU_MEMORYTYPE_HOST;
          copy.srcHost = buffer.at(filledBytes);
          copy.srcPitch = piece.widthBytes();
          copy.dstMemoryType = CUmemorytype.CU_MEMORYTYPE_DEVICE;
          copy.dstDevice = CudaAddress.of(piece.address());
          copy.dstPitch = Math.max(pitchBytes, piece.widthBytes());
          start(copy, operation);
          filledBytes =
              (filledBytes + piece.sizeBytes() + ALIGNMENT_BYTES - 1)
                  / ALIGNMENT_BYTES
                  * ALIGNMENT_BYTES;
        });
  }

  private static CUDA_MEMCPY2D copy(Piece piece) {
    CUDA_MEMCPY2D copy = new CUDA_MEMCPY2D();
    copy.WidthInBytes = piece.widthBytes();
    copy.Height = piece.rows();
    return copy;
  }

  private void start(CUDA_MEMCPY2D copy, String operation) {
    errors.check(JCudaDriver.cuMemcpy2DAsync(copy, stream), operation + " (cuMemcpy2DAsync)");
  }

  /** Waits for what was asked for before, and brings rows to the host. */
  void download(long address, long pitchBytes, MemorySegment host, long rowBytes, int rows) {
    Downloads downloads = new Downloads(host, pitchBytes);
    forEachPiece(address, pitchBytes, rowBytes, rows, downloads);
    downloads.finish();
  }

  /** One download: while a piece comes, the one before is copied out. */
  private final class Downloads implements PieceAction {
    private final MemorySegment host;
    private final long pitchBytes;
    private @Nullable Piece coming;
    private int buffer;

    Downloads(MemorySegment host, long pitchBytes) {
      this.host = host;
      this.pitchBytes = pitchBytes;
    }

    @Override
    public void accept(Piece piece) {
      int next = 1 - buffer;
      CUDA_MEMCPY2D copy = copy(piece);
      copy.srcMemoryType = CUmemorytype.CU_MEMORYTYPE_DEVICE;
      copy.srcDevice = CudaAddress.of(piece.address());
      copy.srcPitch = Math.max(pitchBytes, piece.widthBytes());
      copy.dstMemoryType = CUmemorytype.CU_MEMORYTYPE_HOST;
      copy.dstHost = down.get(next).at(0);
      copy.dstPitch = piece.widthBytes();
      start(copy, "download %d bytes".formatted(piece.sizeBytes()));
      down.get(next).mark();
      finish();
      coming = piece;
      buffer = next;
    }

    /** Waits for the piece that is coming, and copies it out. */
    void finish() {
      Piece piece = coming;
      if (piece != null) {
        down.get(buffer).await("download %d bytes".formatted(piece.sizeBytes()));
        MemorySegment.copy(down.get(buffer).host(), 0, host, piece.hostOffset(), piece.sizeBytes());
      }
    }
  }

  /** Nothing may be under way. */
  @Override
  public void close() {
    up.forEach(PinnedBuffer::close);
    down.forEach(PinnedBuffer::close);
  }
}
