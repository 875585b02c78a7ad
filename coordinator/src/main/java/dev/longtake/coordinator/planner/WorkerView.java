package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Grain;
import dev.longtake.v1.BlockTimes;
import java.util.Optional;

/**
 * What planning knows of one worker.
 *
 * @param host workers of one host have the same; they share its processors and its link to other hosts
 * @param processors of the host; 0: not known, then nothing is shared
 * @param threads that compute for this worker
 * @param grain of the pieces that it cuts tokens into
 * @param device its kind, for example {@code "cpu"}; the same text for the same kind
 * @param memoryBytes that the worker may use; 0: not known, then anything fits
 * @param times of the blocks in the asked precision; absent where nobody measured
 */
public record WorkerView(
    String id,
    String host,
    int processors,
    int threads,
    Grain grain,
    String device,
    long memoryBytes,
    Optional<BlockTimes> times) {}
