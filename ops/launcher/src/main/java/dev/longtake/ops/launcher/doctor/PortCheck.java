package dev.longtake.ops.launcher.doctor;

import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.UnknownHostException;
import java.util.Optional;

/** Whether a port can be listened on, and who has it where it can't. */
final class PortCheck {
  private PortCheck() {}

  /**
   * Listens for a moment.
   *
   * @param option the port's, without dashes; it names the check
   * @param role whose port it is to be
   */
  static Finding of(Role role, String option, String host, int port) {
    if (port == 0) {
      return Finding.ok(option, "any free one of " + host);
    }
    try (ServerSocket socket = new ServerSocket()) {
      // As servers do, so that connections that end do not count.
      socket.setReuseAddress(true);
      socket.bind(new InetSocketAddress(InetAddress.getByName(host), port));
      return Finding.ok(option, "%d of %s is free".formatted(port, host));
    } catch (UnknownHostException e) {
      return Finding.failed(
          option, "there is no host '%s'".formatted(host), "correct the host it is to listen on");
    } catch (BindException e) {
      return PortOwner.find(port)
          .map(owner -> taken(role, option, host, port, owner))
          .orElseGet(() -> unusable(option, host, port));
    } catch (IOException e) {
      return Finding.failed(option, "%d of %s: %s".formatted(port, host, e), "choose another");
    }
  }

  /** What to say when another process listens there. */
  static Finding taken(Role role, String option, String host, int port, PortOwner owner) {
    String found = "%d of %s is used by %s".formatted(port, host, owner);
    return owner.command().contains("longtake") && owner.command().contains(role.toString())
        ? Finding.warning(
            option,
            found + ": the %s that runs".formatted(role),
            "nothing, unless a second one is to run here: that needs another --%s"
                .formatted(option))
        : Finding.failed(
            option, found, "end that program, or choose another --%s".formatted(option));
  }

  private static Finding unusable(String option, String host, int port) {
    Optional<String> why =
        isOurs(host)
            ? Optional.empty()
            : Optional.of("%s is not an address of this host".formatted(host));
    return Finding.failed(
        option,
        why.orElse("%d of %s is used, by whom can't be seen".formatted(port, host)),
        why.isPresent()
            ? "give a --host of this machine; 'ip address' lists them"
            : "choose another --%s, or look with 'ss -ltnp' as root".formatted(option));
  }

  private static boolean isOurs(String host) {
    try (ServerSocket socket = new ServerSocket()) {
      socket.bind(new InetSocketAddress(InetAddress.getByName(host), 0));
      return true;
    } catch (IOException e) {
      return false;
    }
  }
}
