package dev.longtake.coordinator.web.http;

import dev.longtake.common.error.Quoted;
import io.grpc.Status;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Finds who answers a request, and answers itself where that fails. */
public final class Router extends Handler.Abstract {
  private static final Logger log = LoggerFactory.getLogger(Router.class);

  private final List<RouteGroup> groups;
  private final OriginGuard guard;
  private final AddressLimit addresses;
  private final HttpMeters meters;
  private final HttpLimits limits;

  /**
   * @param groups the first one whose prefix a path has answers it; the last one's prefix is every path's
   */
  public Router(List<RouteGroup> groups, OriginGuard guard, HttpMeters meters, HttpLimits limits) {
    this.groups = List.copyOf(groups);
    this.guard = guard;
    this.addresses = new AddressLimit(limits.requestsPerAddress());
    this.meters = meters;
    this.limits = limits;
  }

  private record Found(Route route, Map<String, String> variables) {}

  @Override
  public boolean handle(Request request, Response response, Callback callback) {
    SecurityHeaders.put(response.getHeaders());
    String path = request.getHttpURI().getDecodedPath();
    RouteGroup group =
        groups.stream()
            .filter(candidate -> path.startsWith(candidate.prefix()))
            .findFirst()
            .orElseThrow();
    String address = Request.getRemoteAddr(request);
    String pattern = "none";
    try (AddressLimit.Turn _ = addresses.enter(address);
        HttpMeters.Open _ = meters.open()) {
      guard.check(request);
      Found found = find(group, request.getMethod(), path);
      pattern = found.route.pattern();
      Exchange exchange = new Exchange(request, response, found.variables, limits);
      found.route.handling().handle(exchange);
      callback.succeeded();
    } catch (Exception e) {
      fail(new Exchange(request, response, Map.of(), limits), group, e, callback);
    }
    meters.answered(pattern, response.getStatus());
    return true;
  }

  private static Found find(RouteGroup group, String method, String path) {
    String others = "";
    for (Route route : group.routes()) {
      Optional<Map<String, String>> variables = route.match(path);
      if (variables.isPresent() && route.takes(method)) {
        return new Found(route, variables.get());
      }
      if (variables.isPresent()) {
        others += (others.isEmpty() ? "" : ", ") + route.method();
      }
    }
    if (!others.isEmpty()) {
      throw new ApiException(
          405,
          Status.Code.UNIMPLEMENTED,
          "METHOD_NOT_ALLOWED",
          "Expected %s for %s, but got %s"
              .formatted(others, Quoted.line(path), Quoted.line(method)));
    }
    throw new ApiException(
        404,
        Status.Code.NOT_FOUND,
        "NO_SUCH_PATH",
        "Nothing is at %s; /openapi.json lists what there is".formatted(Quoted.line(path)));
  }

  private static void fail(
      Exchange exchange, RouteGroup group, Exception failure, Callback callback) {
    if (exchange.hasBegun()) {
      // The client sees that the body is cut.
      callback.failed(failure);
      return;
    }
    if (ApiError.isOurMistake(failure)) {
      log.error("{} failed by our mistake", exchange.path(), failure);
    }
    ApiError error = ApiError.of(failure);
    try {
      exchange.answer(error, group.errors().apply(error));
      callback.succeeded();
    } catch (Exception e) {
      callback.failed(e);
    }
  }
}
