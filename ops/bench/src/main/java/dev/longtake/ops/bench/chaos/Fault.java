package dev.longtake.ops.bench.chaos;

/** What happens to a cluster. */
public enum Fault {
  /** SIGKILL of a worker, which is started again. */
  KILL_WORKER,
  /** SIGKILL of the coordinator, which is started again. */
  KILL_COORDINATOR,
  /** SIGSTOP of a worker, and SIGCONT after a while. */
  STOP_WORKER,
  /** SIGSTOP of the coordinator, and SIGCONT after a while. */
  STOP_COORDINATOR,
  /** Every connection from workers to the coordinator is cut; new ones work. */
  CUT_CONNECTIONS
}
