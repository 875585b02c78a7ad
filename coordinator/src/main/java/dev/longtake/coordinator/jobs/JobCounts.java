package dev.longtake.coordinator.jobs;

/** How many jobs wait and how many run, for {@code Cluster.Status}. */
public record JobCounts(int queued, int running) {}
