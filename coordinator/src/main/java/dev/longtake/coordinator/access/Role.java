package dev.longtake.coordinator.access;

/** What a key is for; {@link Permissions} has the calls. */
public enum Role {
  /** Makes videos, and sees those of its tenant. */
  USER,
  /** Sees all jobs and workers, and drains workers. */
  OPERATOR,
  /** Joins the cluster. */
  WORKER
}
