package dev.longtake.ops.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/**
 * Two network namespaces of Linux for one worker each, with a shaped link between them, and an unshaped one from each to this
 * process's own namespace, the hub, where coordinator and client are. Each side has one address, on both of its links; routes by host
 * say which link leads to whom. Addresses are of 198.18.0.0/15, which is set aside for benchmarks (RFC 2544).
 *
 * <p>Everything goes when this is closed or this process ends. For one thread, but for the hook at the end.
 */
final class ShapedLinks implements AutoCloseable {
  private static final int SIDES = 2;
  private static final String HUB_LINK = "hub";
  private static final String PEER_LINK = "peer";
  private static final long COMMAND_SECONDS = 10;
  private static final int SUBNETS = 256;

  /** The queue empties in bursts of as much as the link carries in this time, or one packet of segmentation offload. */
  private static final double BURST_SECONDS = 0.5e-3;

  private static final long MIN_BURST_BYTES = 256 << 10;
  private static final int QUEUE_MILLIS = 50;
  private static final int NETEM_PACKETS = 10_000;

  private final String name;
  private final int subnet;
  private final Thread hook = Thread.ofPlatform().name("end-links").unstarted(this::remove);
  private String discipline = "";

  private ShapedLinks(long pid) {
    name = "ltb" + pid;
    subnet = (int) (pid % SUBNETS);
  }

  /** What this machine or this user can't do; the message is a sentence. */
  static final class UnavailableException extends Exception {
    private static final long serialVersionUID = 1;

    UnavailableException(String message) {
      super(message);
    }
  }

  /**
   * Makes namespaces and links, not shaped yet.
   *
   * @throws UnavailableException when the commands {@code ip} or {@code tc} are missing or refuse; nothing is left behind
   */
  static ShapedLinks create() throws UnavailableException {
    run("ip", "-Version");
    run("tc", "-Version");
    ShapedLinks links = new ShapedLinks(ProcessHandle.current().pid());
    boolean isMade = false;
    try {
      Runtime.getRuntime().addShutdownHook(links.hook);
      links.make();
      links.requireUsable();
      isMade = true;
      return links;
    } finally {
      if (!isMade) {
        links.close();
      }
    }
  }

  private void make() throws UnavailableException {
    for (int side = 0; side < SIDES; side++) {
      run("ip", "netns", "add", namespace(side));
    }
    run(
        "ip -n %s link add %s type veth peer name %s netns %s"
            .formatted(namespace(0), PEER_LINK, PEER_LINK, namespace(1)));
    for (int side = 0; side < SIDES; side++) {
      run(
          "ip link add %s type veth peer name %s netns %s"
              .formatted(hubEnd(side), HUB_LINK, namespace(side)));
      run("ip addr add %s/32 dev %s".formatted(hubAddress(), hubEnd(side)));
      run("ip link set %s up".formatted(hubEnd(side)));
      within(side, "link set lo up");
      for (String link : List.of(HUB_LINK, PEER_LINK)) {
        within(side, "addr add %s/32 dev %s".formatted(address(side), link));
        within(side, "link set %s up".formatted(link));
      }
    }
    for (int side = 0; side < SIDES; side++) {
      String mine = address(side);
      run("ip route add %s/32 dev %s src %s".formatted(mine, hubEnd(side), hubAddress()));
      within(side, "route add %s/32 dev %s src %s".formatted(hubAddress(), HUB_LINK, mine));
      within(side, "route add %s/32 dev %s src %s".formatted(address(1 - side), PEER_LINK, mine));
    }
  }

  /** Some containers allow namespaces but not to run anything in them. */
  private void requireUsable() throws UnavailableException {
    for (int side = 0; side < SIDES; side++) {
      List<String> command = new ArrayList<>(launcher(side));
      command.add("true");
      run(command.toArray(String[]::new));
    }
  }

  private void within(int side, String command) throws UnavailableException {
    run("ip -n %s %s".formatted(namespace(side), command));
  }

  /**
   * Limits what each side sends to the other. With netem where the kernel has it, else with a token bucket; see {@link #discipline}.
   *
   * @param bitsPerSecond headers included
   * @throws UnavailableException when the kernel has neither
   */
  void shape(double bitsPerSecond) throws UnavailableException {
    String rate = String.format(Locale.ROOT, "%.0fbit", bitsPerSecond);
    try {
      shape("netem rate %s limit %d".formatted(rate, NETEM_PACKETS));
      discipline = "netem";
    } catch (UnavailableException e) {
      long burst = Math.max(MIN_BURST_BYTES, (long) (bitsPerSecond / 8 * BURST_SECONDS));
      shape("tbf rate %s burst %d latency %dms".formatted(rate, burst, QUEUE_MILLIS));
      discipline = "tbf";
    }
  }

  private void shape(String queue) throws UnavailableException {
    for (int side = 0; side < SIDES; side++) {
      run("tc -n %s qdisc replace dev %s root %s".formatted(namespace(side), PEER_LINK, queue));
    }
  }

  /** The queueing discipline in force: {@code netem} or {@code tbf}; empty before the first {@link #shape}. */
  String discipline() {
    return discipline;
  }

  /** What lets a command run on a side: put it in front. */
  List<String> launcher(int side) {
    return List.of("ip", "netns", "exec", namespace(side));
  }

  /** A side's address, for the other one and for the hub. */
  String address(int side) {
    return "198.18.%d.%d".formatted(subnet, side + 1);
  }

  /** This process's address for both sides. */
  String hubAddress() {
    return "198.18.%d.254".formatted(subnet);
  }

  private String namespace(int side) {
    return name + "-" + side;
  }

  /** At most 15 characters. */
  private String hubEnd(int side) {
    return name + "h" + side;
  }

  /** Removes namespaces and links; processes that still run in them lose their network. */
  @Override
  public void close() {
    remove();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // Shutting down: the hook runs or ran.
    }
  }

  private void remove() {
    for (int side = 0; side < SIDES; side++) {
      // A link goes with either of its ends; a namespace that a process is in would keep it.
      tryTo("ip link del " + hubEnd(side));
      tryTo("ip netns del " + namespace(side));
    }
  }

  private static void tryTo(String command) {
    try {
      run(command);
    } catch (UnavailableException e) {
      // It is not there, because it was never made or has gone.
    }
  }

  private static void run(String command) throws UnavailableException {
    run(command.split(" "));
  }

  private static void run(String... command) throws UnavailableException {
    String line = String.join(" ", command);
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      process.getOutputStream().close();
      if (!process.waitFor(COMMAND_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new UnavailableException(
            "'%s' did not end within %d s".formatted(line, COMMAND_SECONDS));
      }
      String said =
          new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
      if (process.exitValue() != 0) {
        throw new UnavailableException(
            "'%s' ended with status %d: %s"
                .formatted(line, process.exitValue(), said.lines().findFirst().orElse("")));
      }
    } catch (IOException e) {
      throw new UnavailableException("'%s' can't be run: %s".formatted(line, e.getMessage()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UnavailableException("'%s' was interrupted".formatted(line));
    }
  }
}
