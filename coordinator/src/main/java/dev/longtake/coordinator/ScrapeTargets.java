package dev.longtake.coordinator;

import com.google.gson.Gson;
import dev.longtake.common.metrics.Telemetry;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.Member;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Where all processes of the cluster serve metrics, as Prometheus' HTTP service discovery reads it: this coordinator, and while it leads,
 * the workers that said so. Thread-safe.
 */
final class ScrapeTargets {
  /** Where they are served. */
  static final String PATH = "/metrics/targets";

  private final Gson gson = new Gson();
  private volatile String own = "";
  private volatile @Nullable Fleet fleet;

  private record Group(List<String> targets, Map<String, String> labels) {}

  /**
   * Begins to serve them.
   *
   * @param host that this coordinator is called by
   */
  void show(Telemetry telemetry, String host) {
    own = telemetry.address(host);
    telemetry.page(PATH, "application/json", this::json);
  }

  void begin(Fleet workers) {
    fleet = workers;
  }

  void end() {
    fleet = null;
  }

  private String json() {
    List<Group> groups = new ArrayList<>();
    groups.add(new Group(List.of(own), Map.of("role", "coordinator")));
    Fleet now = fleet;
    for (Member member : now == null ? List.<Member>of() : now.membersById()) {
      String address = member.description().getMetricsAddress();
      if (!address.isEmpty()) {
        groups.add(new Group(List.of(address), Map.of("role", "worker", "worker", member.id())));
      }
    }
    return gson.toJson(groups);
  }
}
