package dev.longtake.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.DescriptorProtos.MethodOptions.IdempotencyLevel;
import com.google.protobuf.Descriptors.MethodDescriptor;
import com.google.protobuf.Descriptors.ServiceDescriptor;
import dev.longtake.coordinator.HttpApi.Answer;
import dev.longtake.coordinator.access.Access;
import dev.longtake.coordinator.web.http.HttpLimits;
import dev.longtake.v1.ClusterOuterClass;
import dev.longtake.v1.GenerationOuterClass;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code /openapi.json} promises, against the contracts and what the coordinator answers. */
final class OpenApiTest {
  private static final List<ServiceDescriptor> SERVICES =
      List.of(
          GenerationOuterClass.getDescriptor().findServiceByName("Generation"),
          ClusterOuterClass.getDescriptor().findServiceByName("Cluster"));

  @TempDir Path folder;
  private TestCluster cluster;
  private HttpApi http;
  private JsonObject document;

  @BeforeEach
  void start() {
    cluster =
        TestCluster.withHttp(
            folder.resolve("data"),
            Access.open(),
            HttpLimits.of(HttpLimits.DEFAULT_REQUESTS_PER_ADDRESS));
    http = new HttpApi(cluster.coordinator.httpUrl());
    document = http.get("/openapi.json").json();
  }

  @AfterEach
  void stop() {
    http.close();
    cluster.close();
  }

  private JsonObject paths() {
    return document.getAsJsonObject("paths");
  }

  @Test
  void shouldHaveEveryMethodThatTakesOneRequest() {
    Set<String> wanted = new TreeSet<>();
    for (ServiceDescriptor service : SERVICES) {
      for (MethodDescriptor method : service.getMethods()) {
        String path = "/api/%s/%s".formatted(service.getName(), method.getName());
        if (!method.isClientStreaming()) {
          wanted.add("post " + path);
        }
        if (method.getOptions().getIdempotencyLevel() == IdempotencyLevel.NO_SIDE_EFFECTS) {
          wanted.add("get " + path);
        }
      }
    }

    Set<String> found = new TreeSet<>();
    paths()
        .asMap()
        .forEach((path, operations) ->
            operations.getAsJsonObject().keySet().forEach(verb -> found.add(verb + " " + path)));
    assertThat(wanted).contains("post /api/Generation/Submit", "get /api/Generation/Watch");
    assertThat(found.stream().filter(one -> one.matches(".* /api/[A-Z].*")))
        .hasSameElementsAs(wanted);
  }

  @Test
  void shouldPromiseNothingThatIsNotThere() {
    List<String> ids = new ArrayList<>();
    paths()
        .asMap()
        .forEach((path, operations) ->
            operations
                .getAsJsonObject()
                .asMap()
                .forEach((verb, operation) -> {
                  ids.add(operation.getAsJsonObject().get("operationId").getAsString());
                  Answer answer =
                      http.send(
                          http.request(path.replace("{id}", "none"))
                              .method(verb.toUpperCase(Locale.ROOT), BodyPublishers.ofString("")));
                  assertThat(answer.status()).as(path).isNotEqualTo(405);
                  assertThat(answer.text()).as(path).doesNotContainIgnoringCase("NO_SUCH_PATH");
                }));
    assertThat(ids).doesNotHaveDuplicates().hasSizeGreaterThan(30);
  }

  @Test
  void shouldReferToWhatItHasOnly() {
    requireReferences(document);
  }

  private void requireReferences(JsonElement element) {
    if (element.isJsonArray()) {
      element.getAsJsonArray().forEach(this::requireReferences);
    } else if (element.isJsonObject()) {
      for (Map.Entry<String, JsonElement> entry : element.getAsJsonObject().entrySet()) {
        if (entry.getKey().equals("$ref")) {
          assertThat(resolved(entry.getValue().getAsString())).isNotNull();
        } else {
          requireReferences(entry.getValue());
        }
      }
    }
  }

  private JsonObject resolved(String reference) {
    JsonObject place = document;
    for (String name : reference.substring("#/".length()).split("/", -1)) {
      assertThat(place.has(name)).as(reference).isTrue();
      place = place.getAsJsonObject(name);
    }
    return place;
  }

  @Test
  void shouldDescribeWhatIsAnswered() throws Exception {
    cluster.joined("w0");
    String id = cluster.end(cluster.submit().getId()).getId();

    requireDescribed(http.get("/api/Generation/Get?jobId=" + id).json(), "Job");
    requireDescribed(http.get("/api/Cluster/Status").json(), "ClusterStatus");
    requireDescribed(http.get("/v1/videos/" + id).json(), "OpenAiVideo");
    requireDescribed(http.get("/v1/videos").json(), "OpenAiVideoList");
    requireDescribed(http.get("/v1/videos/none").json(), "OpenAiFailure");
    requireDescribed(http.get("/api/jobs/none/video").json(), "Failure");
  }

  private void requireDescribed(JsonObject answer, String schema) {
    requireDescribed(schema, answer, resolved("#/components/schemas/" + schema));
  }

  private void requireDescribed(String what, JsonElement value, JsonObject schema) {
    if (schema.has("$ref")) {
      requireDescribed(what, value, resolved(schema.get("$ref").getAsString()));
    } else if (value.isJsonArray()) {
      assertThat(schema.get("type").getAsString()).as(what).isEqualTo("array");
      value
          .getAsJsonArray()
          .forEach(one -> requireDescribed(what + "[]", one, schema.getAsJsonObject("items")));
    } else if (value.isJsonObject()) {
      JsonObject properties = schema.getAsJsonObject("properties");
      value
          .getAsJsonObject()
          .asMap()
          .forEach((name, inner) -> {
            assertThat(properties.has(name)).as("%s.%s", what, name).isTrue();
            requireDescribed(what + "." + name, inner, properties.getAsJsonObject(name));
          });
    } else if (value.isJsonPrimitive() && schema.has("type")) {
      String type = value.getAsJsonPrimitive().isString() ? "string" : "number|integer|boolean";
      assertThat(schema.get("type").toString()).as(what).matches(".*(%s).*".formatted(type));
    }
  }
}
