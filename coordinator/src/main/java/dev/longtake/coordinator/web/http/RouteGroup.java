package dev.longtake.coordinator.web.http;

import com.google.gson.JsonObject;
import java.util.List;
import java.util.function.Function;

/**
 * Routes whose failures look alike.
 *
 * @param prefix of their paths, and of those that nothing is at
 * @param errors the body of a failure
 */
public record RouteGroup(String prefix, Function<ApiError, JsonObject> errors, List<Route> routes) {
  public RouteGroup {
    routes = List.copyOf(routes);
  }
}
