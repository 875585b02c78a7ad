package dev.longtake.common.process;

import java.util.List;

/**
 * What the JVMs of servers are started with besides {@link JavaProcess#BASE_JVM_FLAGS}, by everything that starts some: {@code up} and
 * {@code demo}, measurements, tests. The longtake script, the units and the manifests, which start workers too, repeat it.
 */
public final class ServerJvm {
  /**
   * Of a worker. What is large, weights and activations, lies outside of the heap, so that the heap is small and grows when needed. A young
   * generation of usual size would only be touched from end to end before its first collection: a step leaves little garbage, which
   * is collected in a millisecond. Compact headers make objects smaller. Compilers free what they took within a
   * second, and the C library gives that back to the system only when it is asked to.
   */
  public static final List<String> WORKER =
      List.of(
          "-XX:+UseSerialGC",
          "-Xms24m",
          "-Xmn8m",
          "-Xmx512m",
          "-XX:+UseCompactObjectHeaders",
          "-XX:TrimNativeHeapInterval=1000");

  /** Of a coordinator, which waits most of its time: without the optimising compiler it starts in half the time and is smaller. */
  public static final List<String> COORDINATOR =
      List.of("-XX:+UseSerialGC", "-Xms24m", "-Xmx512m", "-XX:TieredStopAtLevel=1");

  private ServerJvm() {}
}
