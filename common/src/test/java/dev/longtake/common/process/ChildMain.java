package dev.longtake.common.process;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.logging.Logger;

/**
 * The child of {@link JavaProcessTest}. What it does is its first argument; it understands {@code --exit-with-parent} as
 * every Longtake server does.
 */
final class ChildMain {
  private ChildMain() {}

  public static void main(String[] args) throws InterruptedException, IOException {
    List<String> arguments = List.of(args);
    if (arguments.contains("--exit-with-parent") && !args[0].equals("stubborn")) {
      ParentWatch.exitWithParent();
    }
    switch (args[0]) {
      case "serve" -> {
        System.out.println("a line that is not READY");
        System.err.println(
            "omp=" + System.getenv("OMP_NUM_THREADS") + " flag=" + System.getProperty("flag"));
        ReadyLine.print("worker", "127.0.0.1:4711");
        forever();
      }
      case "chatter" -> {
        ReadyLine.print("worker", "127.0.0.1:1");
        // Far more than a pipe holds: it blocks for good unless somebody reads.
        for (int i = 0; i < 20_000; i++) {
          System.out.println("line " + i + " of many that nobody wants to see");
        }
        System.exit(3);
      }
      case "stubborn" -> {
        Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(ChildMain::forever));
        ReadyLine.print("worker", "127.0.0.1:2");
        forever();
      }
      case "log" -> {
        Logs.configure();
        Logger.getLogger("dev.longtake.Some").info("all is well");
        Logger.getLogger("io.grpc.netty.Transport").info("a connection ended");
        Logger.getLogger("dev.longtake.Some").warning("all is lost");
        System.exit(3);
      }
      case "mute" -> forever();
      case "die" -> {
        System.err.println("first line");
        System.err.println("Expected a model folder, but there is none");
        System.exit(2);
      }
      case "parent" -> {
        // A parent with a child of its own, which then dies without any chance to clean up.
        JavaProcess grandchild =
            JavaProcess.start(
                "grandchild",
                ChildMain.class.getName(),
                List.of("serve"),
                List.of(),
                java.nio.file.Path.of(args[1]),
                java.time.Duration.ofMinutes(1));
        ReadyLine.print("worker", "127.0.0.1:" + grandchild.handle().pid());
        forever();
      }
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  private static void forever() {
    try {
      new CountDownLatch(1).await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
