package dev.longtake.coordinator.web.json;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.Descriptors.FieldDescriptor;
import dev.longtake.coordinator.web.http.Route;
import io.grpc.ServiceDescriptor;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;

/** What programs can call, as OpenAPI 3.1: the services' methods from their descriptors, the rest as a resource has it. */
public final class OpenApi {
  /** The paths that are nobody's descriptor: files of jobs, OpenAI's videos, health. */
  private static final String OTHERS = "openapi-others.json";

  private OpenApi() {}

  /** Serves the document. */
  public static Route route(List<ServiceDescriptor> services, String version) {
    JsonObject document = document(services, version);
    return new Route("GET", "/openapi.json", exchange -> exchange.answer(200, document));
  }

  private static JsonObject document(List<ServiceDescriptor> services, String version) {
    JsonObject document = others();
    document.getAsJsonObject("info").addProperty("version", version);
    JsonObject paths = document.getAsJsonObject("paths");
    Schemas schemas = new Schemas();
    services.stream()
        .flatMap(service -> ProtoMethod.of(service).stream())
        .filter(ProtoMethod::takesOneRequest)
        .forEach(method -> paths.add(method.path(), path(method, schemas)));
    JsonObject own = document.getAsJsonObject("components").getAsJsonObject("schemas");
    schemas.all().asMap().forEach(own::add);
    return document;
  }

  private static JsonObject others() {
    try (InputStream in =
        Objects.requireNonNull(OpenApi.class.getResourceAsStream(OTHERS), OTHERS)) {
      return JsonParser.parseReader(new InputStreamReader(in, StandardCharsets.UTF_8))
          .getAsJsonObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static JsonObject path(ProtoMethod method, Schemas schemas) {
    JsonObject path = new JsonObject();
    JsonObject post = operation(method, "", schemas);
    JsonObject body = new JsonObject();
    body.add(
        "content", content("application/json", schemas.reference(method.proto().getInputType())));
    post.add("requestBody", body);
    path.add("post", post);
    if (method.isReadOnly()) {
      JsonObject get = operation(method, "ByGet", schemas);
      get.add("parameters", parameters(method));
      path.add("get", get);
    }
    return path;
  }

  private static JsonObject operation(ProtoMethod method, String suffix, Schemas schemas) {
    JsonObject operation = new JsonObject();
    String service = method.proto().getService().getName();
    operation.addProperty("operationId", service + method.proto().getName() + suffix);
    JsonArray tags = new JsonArray();
    tags.add(service);
    operation.add("tags", tags);
    JsonObject answer = new JsonObject();
    answer.addProperty("description", described(method));
    answer.add("content", answer(method, schemas));
    JsonObject responses = new JsonObject();
    responses.add("200", answer);
    responses.add("default", reference("#/components/responses/Failure"));
    operation.add("responses", responses);
    return operation;
  }

  private static String described(ProtoMethod method) {
    String message = method.proto().getOutputType().getName();
    if (method.isFile()) {
      return "A file";
    }
    return method.isStreaming() ? "Events whose data are each a %s".formatted(message) : message;
  }

  private static JsonObject answer(ProtoMethod method, Schemas schemas) {
    if (method.isFile()) {
      return content(
          FileAnswer.type(method.proto().getOutputType()), Schemas.typed("string", "binary"));
    }
    JsonObject message = schemas.reference(method.proto().getOutputType());
    return content(method.isStreaming() ? "text/event-stream" : "application/json", message);
  }

  /** Those that are no messages; their fields have names like {@code request.width}. */
  private static JsonArray parameters(ProtoMethod method) {
    JsonArray parameters = new JsonArray();
    for (FieldDescriptor field : method.proto().getInputType().getFields()) {
      if (field.getJavaType() != FieldDescriptor.JavaType.MESSAGE) {
        JsonObject parameter = new JsonObject();
        parameter.addProperty("name", field.getJsonName());
        parameter.addProperty("in", "query");
        parameter.add("schema", Schemas.typed("string"));
        parameters.add(parameter);
      }
    }
    return parameters;
  }

  private static JsonObject content(String type, JsonObject schema) {
    JsonObject media = new JsonObject();
    media.add("schema", schema);
    JsonObject content = new JsonObject();
    content.add(type, media);
    return content;
  }

  private static JsonObject reference(String place) {
    JsonObject reference = new JsonObject();
    reference.addProperty("$ref", place);
    return reference;
  }
}
