package dev.longtake.coordinator.web.json;

import com.google.protobuf.Message;
import dev.longtake.common.error.Quoted;
import dev.longtake.coordinator.web.http.ApiException;
import dev.longtake.coordinator.web.http.Calls;
import dev.longtake.coordinator.web.http.Exchange;
import dev.longtake.coordinator.web.http.Route;
import io.grpc.ServiceDescriptor;
import io.grpc.Status;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The methods of the services: {@code POST /api/SERVICE/METHOD} with the request as JSON, and those that change nothing as GET with parameters,
 * too.
 */
public final class MethodRoutes {
  private final Calls calls;

  private MethodRoutes(Calls calls) {
    this.calls = calls;
  }

  /** Routes of every method of these services. */
  public static List<Route> of(List<ServiceDescriptor> services, Calls calls) {
    MethodRoutes methods = new MethodRoutes(calls);
    List<Route> routes = new ArrayList<>();
    services.stream()
        .flatMap(service -> ProtoMethod.of(service).stream())
        .forEach(method -> {
          routes.add(new Route("POST", method.path(), exchange -> methods.post(method, exchange)));
          if (method.isReadOnly()) {
            routes.add(new Route("GET", method.path(), exchange -> methods.get(method, exchange)));
          }
        });
    return routes;
  }

  private void post(ProtoMethod method, Exchange exchange) throws Exception {
    if (!method.takesOneRequest()) {
      throw new ApiException(
          405,
          Status.Code.UNIMPLEMENTED,
          "GRPC_ONLY",
          "%s takes a stream of requests, which HTTP does not have; call it by gRPC"
              .formatted(method.grpc().getFullMethodName()));
    }
    byte[] body = exchange.body();
    // Pages can't send this type to others' servers without asking, which nobody lets them.
    if (body.length > 0 && !exchange.bodyType().equals("application/json")) {
      throw new ApiException(
          415,
          Status.Code.INVALID_ARGUMENT,
          "INVALID_REQUEST",
          "Expected a body with Content-Type: application/json, but got %s"
              .formatted(Quoted.of(exchange.bodyType())));
    }
    Message.Builder request = method.newRequest();
    ProtoJson.read(body, request);
    answer(method, request, exchange);
  }

  private void get(ProtoMethod method, Exchange exchange) throws Exception {
    Message.Builder request = method.newRequest();
    ProtoJson.read(exchange.query(), request);
    answer(method, request, exchange);
  }

  private void answer(ProtoMethod method, Message.Builder request, Exchange exchange)
      throws Exception {
    if (method.isFile()) {
      String type = FileAnswer.type(method.proto().getOutputType());
      FileAnswer.send(exchange, calls, method.grpc(), type, request.build());
    } else if (method.isStreaming()) {
      EventAnswer.send(exchange, calls, method, request);
    } else {
      Message answer = calls.call(exchange, method.grpc(), request.build());
      exchange.answer(
          200, "application/json", ProtoJson.print(answer).getBytes(StandardCharsets.UTF_8));
    }
  }
}
