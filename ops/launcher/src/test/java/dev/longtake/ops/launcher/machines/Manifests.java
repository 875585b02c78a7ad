package dev.longtake.ops.launcher.machines;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.introspect.Annotated;
import com.fasterxml.jackson.databind.introspect.JacksonAnnotationIntrospector;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.Service;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.apps.StatefulSet;
import io.fabric8.kubernetes.api.model.networking.v1.NetworkPolicy;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.openshift.api.model.monitoring.v1.ServiceMonitor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Manifests as the types of Kubernetes' API; a property that the API does not have is an error. */
final class Manifests {
  static final Path FOLDER = Repository.ROOT.resolve("ops/kubernetes");
  static final Path BASE = FOLDER.resolve("base");

  private static final Map<String, Class<? extends HasMetadata>> KINDS =
      Stream.<Class<? extends HasMetadata>>of(
              Deployment.class,
              StatefulSet.class,
              Service.class,
              PersistentVolumeClaim.class,
              PodDisruptionBudget.class,
              NetworkPolicy.class,
              ServiceMonitor.class)
          .collect(Collectors.toMap(Class::getSimpleName, Function.identity()));

  /** The types keep what they don't know, unless nobody tells Jackson where. */
  static final ObjectMapper YAML =
      new ObjectMapper(new YAMLFactory())
          .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .setAnnotationIntrospector(
              new JacksonAnnotationIntrospector() {
                @Override
                public Boolean hasAnySetter(Annotated member) {
                  return false;
                }
              });

  private Manifests() {}

  /** The objects of a text. */
  static List<HasMetadata> parse(String text) {
    List<HasMetadata> objects = new ArrayList<>();
    try (var documents = YAML.readerFor(JsonNode.class).<JsonNode>readValues(text)) {
      while (documents.hasNextValue()) {
        JsonNode document = documents.nextValue();
        Class<? extends HasMetadata> kind = KINDS.get(document.path("kind").asText());
        if (kind == null) {
          throw new IllegalArgumentException(
              "Expected one of %s, but got %s".formatted(KINDS.keySet(), document));
        }
        objects.add(YAML.treeToValue(document, kind));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return objects;
  }

  /** The objects of one kind in a folder. */
  static <T extends HasMetadata> List<T> all(Path folder, Class<T> kind) {
    return Repository.files(folder).stream()
        .filter(file -> !file.endsWith("kustomization.yaml"))
        .flatMap(file -> parse(Repository.read(file)).stream())
        .filter(kind::isInstance)
        .map(kind::cast)
        .toList();
  }

  /** The pods that the objects of a folder make, by the object's name. */
  static Map<String, PodTemplateSpec> pods(Path folder) {
    Map<String, PodTemplateSpec> pods = new LinkedHashMap<>();
    all(folder, Deployment.class)
        .forEach(
            object -> pods.put(object.getMetadata().getName(), object.getSpec().getTemplate()));
    all(folder, StatefulSet.class)
        .forEach(
            object -> pods.put(object.getMetadata().getName(), object.getSpec().getTemplate()));
    return pods;
  }

  /** The only container of a pod. */
  static Container container(PodTemplateSpec pod) {
    List<Container> containers = pod.getSpec().getContainers();
    if (containers.size() != 1) {
      throw new IllegalArgumentException("Expected one container, but got " + containers);
    }
    return containers.getFirst();
  }

  /** A container's variables as its process sees them in the first pod, the first of a name; a secret is its key. */
  static Map<String, String> environment(List<EnvVar> variables) {
    Map<String, String> environment = new LinkedHashMap<>();
    for (EnvVar variable : variables) {
      String value =
          variable.getValue() != null
              ? variable.getValue()
              : variable.getValueFrom().getSecretKeyRef() != null
                  ? variable.getValueFrom().getSecretKeyRef().getKey()
                  : "longtake-worker-0";
      for (Map.Entry<String, String> before : environment.entrySet()) {
        value = value.replace("$(%s)".formatted(before.getKey()), before.getValue());
      }
      environment.putIfAbsent(variable.getName(), value);
    }
    return environment;
  }
}
