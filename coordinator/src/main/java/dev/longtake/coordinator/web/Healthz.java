package dev.longtake.coordinator.web;

import com.google.gson.JsonObject;
import dev.longtake.coordinator.web.http.Calls;
import dev.longtake.coordinator.web.http.Exchange;
import dev.longtake.coordinator.web.http.Route;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import java.util.Objects;

/** What the gRPC health service says, for probes that speak HTTP: of the coordinator, or of {@code ?service=NAME}. */
final class Healthz {
  private Healthz() {}

  static Route route(Calls calls) {
    return new Route("GET", "/healthz", exchange -> answer(exchange, calls));
  }

  private static void answer(Exchange exchange, Calls calls) throws Exception {
    String service = Objects.requireNonNullElse(exchange.query().getValue("service"), "");
    ServingStatus status =
        calls
            .call(
                exchange,
                HealthGrpc.getCheckMethod(),
                HealthCheckRequest.newBuilder().setService(service).build())
            .getStatus();
    JsonObject body = new JsonObject();
    body.addProperty("status", status.name());
    exchange.answer(status == ServingStatus.SERVING ? 200 : 503, body);
  }
}
