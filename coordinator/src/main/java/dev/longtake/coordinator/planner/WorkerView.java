package dev.longtake.coordinator.planner;

import dev.longtake.v1.BlockTimes;
import java.util.Optional;

/**
 * A worker as planning sees it.
 *
 * @param id unique in the cluster
 * @param host workers of one host share its processors and its memory's bandwidth
 * @param processors of the host, at least 1
 * @param threads that compute for this worker, at least 1
 * @param memoryBytes that it may fill
 * @param times measured; empty until then
 */
public record WorkerView(
    String id,
    String host,
    int processors,
    int threads,
    long memoryBytes,
    Optional<BlockTimes> times) {}
