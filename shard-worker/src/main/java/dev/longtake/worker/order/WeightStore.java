package dev.longtake.worker.order;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.engine.exec.Weights;
import dev.longtake.worker.engine.program.Program;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The weights that a worker has loaded. Orders that need the same share them; they stay loaded until an order needs others while
 * nobody uses them. Thread-safe; who leases has the turn on the device, since a load computes on it. Owns the weights.
 */
final class WeightStore implements AutoCloseable {
  private final Device device;
  private final Checkpoint checkpoint;
  private final ReentrantLock lock = new ReentrantLock();
  private final List<Lease> held = new ArrayList<>();

  WeightStore(Device device, Checkpoint checkpoint) {
    this.device = device;
    this.checkpoint = checkpoint;
  }

  /** Weights that some orders use; each closes it once. */
  final class Lease implements AutoCloseable {
    private final Weights weights;
    private int users;

    private Lease(Weights weights) {
      this.weights = weights;
    }

    Weights weights() {
      return weights;
    }

    @Override
    public void close() {
      lock.lock();
      try {
        users--;
      } finally {
        lock.unlock();
      }
    }
  }

  /**
   * The weights of a program, loaded if they are not; what nobody uses makes room for them.
   *
   * @throws dev.longtake.common.error.LongtakeException INVALID_CHECKPOINT or OUT_OF_MEMORY
   */
  Lease lease(Program program, DType blockType) {
    lock.lock();
    try {
      Lease loaded = leaseIfLoaded(program, blockType);
      if (loaded != null) {
        return loaded;
      }
      dropUnused();
      Lease lease = new Lease(Weights.load(device, checkpoint, program, blockType));
      lease.users = 1;
      held.add(lease);
      return lease;
    } finally {
      lock.unlock();
    }
  }

  /** The same if they are loaded, else null. */
  @Nullable Lease leaseIfLoaded(Program program, DType blockType) {
    lock.lock();
    try {
      for (Lease lease : held) {
        if (lease.weights.blockType() == blockType && lease.weights.serve(program)) {
          lease.users++;
          return lease;
        }
      }
      return null;
    } finally {
      lock.unlock();
    }
  }

  /** Held. */
  private void dropUnused() {
    held.removeIf(lease -> {
      if (lease.users == 0) {
        lease.weights.close();
      }
      return lease.users == 0;
    });
  }

  /** No order may use any weights then. */
  @Override
  public void close() {
    lock.lock();
    try {
      held.forEach(lease -> lease.weights.close());
      held.clear();
    } finally {
      lock.unlock();
    }
  }
}
