package dev.longtake.coordinator.jobs;

import java.nio.file.Path;
import java.time.Duration;

/**
 * How jobs are run.
 *
 * @param spoolFolder for frames on their way to the MP4
 * @param checkpointEvery steps from one checkpoint to the next; 0: none are kept
 * @param maxFruitlessAttempts after so many in a row that kept no new step, a job fails
 * @param exchangeTimeout how long a worker waits for a peer
 * @param stallTimeout how long a job may go without any sign of progress from its workers
 * @param causeGrace after a worker lost a peer, how long to wait for the peer's own failure, which is the cause
 */
public record RunSettings(
    Path spoolFolder,
    int checkpointEvery,
    int maxFruitlessAttempts,
    Duration exchangeTimeout,
    Duration stallTimeout,
    Duration causeGrace) {}
