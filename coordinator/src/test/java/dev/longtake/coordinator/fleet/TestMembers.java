package dev.longtake.coordinator.fleet;

import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.tracing.Tracing;
import dev.longtake.v1.WorkerDescription;

/** Members that never joined any fleet, for tests of what only looks at them. */
public final class TestMembers {
  private TestMembers() {}

  /** A worker that nobody can call. */
  public static Member of(String id, String host) {
    return new Member(
        WorkerDescription.newBuilder().setId(id).setHost(host).setAddress("127.0.0.1:1").build(),
        /* callToken= */ "",
        Endpoints.connect("127.0.0.1:1"),
        Tracing.off().clientInterceptor(),
        why -> {},
        () -> {},
        0);
  }

  /** Closes the worker's channel. */
  public static void close(Member member) {
    member.lose("the test is over");
  }
}
