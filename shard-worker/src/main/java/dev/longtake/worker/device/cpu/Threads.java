package dev.longtake.worker.device.cpu;

/** Threads that share the tasks of a kernel. */
interface Threads {
  /** A part of a kernel. */
  @FunctionalInterface
  interface Body {
    /**
     * Runs one task.
     *
     * @param thread which scratch memory to use; no two tasks have the same at once
     */
    void run(int thread, int task);
  }

  /** How many there are, the caller among them. */
  int count();

  /** Runs tasks 0 to {@code tasks - 1} and returns when all are done; rethrows the first failure. */
  void run(int tasks, Body body);

  /**
   * The caller alone.
   *
   * @param thread what its tasks are told
   */
  static Threads only(int thread) {
    return new Threads() {
      @Override
      public int count() {
        return 1;
      }

      @Override
      public void run(int tasks, Body body) {
        for (int task = 0; task < tasks; task++) {
          body.run(thread, task);
        }
      }
    };
  }
}
