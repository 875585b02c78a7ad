package dev.longtake.coordinator.web.http;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import java.net.URI;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.util.HostPort;

/**
 * Keeps pages of other origins from driving a coordinator that trusts whoever can connect: they may not change anything, and a name that
 * somebody else's DNS points at this host ("DNS rebinding") does not make a page one of ours.
 */
public final class OriginGuard {
  private static final Set<String> LOOPBACK = Set.of("localhost", "127.0.0.1", "[::1]");

  private final boolean isLoopback;
  private final Set<String> names;

  private OriginGuard(boolean isLoopback, Set<String> names) {
    this.isLoopback = isLoopback;
    this.names = names;
  }

  /** For a server that other hosts can reach: it may have any name. */
  public static OriginGuard ofNetwork() {
    return new OriginGuard(/* isLoopback= */ false, Set.of());
  }

  /**
   * For a server on loopback.
   *
   * @param names of it, besides those of loopback
   */
  public static OriginGuard ofLoopback(Set<String> names) {
    return new OriginGuard(/* isLoopback= */ true, Set.copyOf(names));
  }

  /**
   * Checks where a request comes from.
   *
   * @throws LongtakeException PERMISSION_DENIED
   */
  void check(Request request) {
    String host = Request.getServerName(request).toLowerCase(Locale.ROOT);
    if (isLoopback && !LOOPBACK.contains(host) && !names.contains(host)) {
      throw refused(
          "Expected a request to localhost, but it calls this host %s; start the coordinator with --advertise NAME where it has another name"
              .formatted(Quoted.of(host)));
    }
    boolean changes = !Set.of("GET", "HEAD").contains(request.getMethod());
    Optional<String> origin =
        Optional.ofNullable(request.getHeaders().get(HttpHeader.ORIGIN)).filter(_ -> changes);
    if (origin.isPresent() && !isSame(origin.get(), request)) {
      throw refused(
          "Expected a request of a page of this coordinator, but it comes from %s; pages of others may not call it"
              .formatted(Quoted.of(origin.get())));
    }
  }

  private static boolean isSame(String origin, Request request) {
    try {
      URI page = URI.create(origin);
      if (page.getHost() == null) {
        return false;
      }
      boolean isSecure = "https".equals(page.getScheme());
      int defaultPort = isSecure ? 443 : 80;
      int port = page.getPort() < 0 ? defaultPort : page.getPort();
      HostPort own =
          new HostPort(
              String.valueOf(
                  Optional.ofNullable(request.getHeaders().get(HttpHeader.HOST)).orElse("none")));
      return page.getHost().equalsIgnoreCase(own.getHost()) && port == own.getPort(defaultPort);
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  private static LongtakeException refused(String message) {
    return new LongtakeException(ErrorCode.PERMISSION_DENIED, message);
  }
}
