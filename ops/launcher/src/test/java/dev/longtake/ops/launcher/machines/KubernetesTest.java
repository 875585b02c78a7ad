package dev.longtake.ops.launcher.machines;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.longtake.common.process.Build;
import dev.longtake.ops.launcher.doctor.HealthCommand;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.WorkerGrpc;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerPort;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.Probe;
import io.fabric8.kubernetes.api.model.Service;
import io.fabric8.kubernetes.api.model.ServicePort;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.apps.StatefulSet;
import io.fabric8.kubernetes.api.model.networking.v1.NetworkPolicy;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.openshift.api.model.monitoring.v1.ServiceMonitor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** The manifests, against the API's types, the program's options, and each other. */
final class KubernetesTest {
  private static final String NAME = "app.kubernetes.io/name";

  /** As far as ours have it. */
  record Kustomization(
      String apiVersion,
      String kind,
      @Nullable String namespace,
      @Nullable List<String> resources,
      @Nullable List<String> components,
      @Nullable List<Patch> patches,
      @Nullable List<Labels> labels,
      @Nullable List<Image> images) {}

  record Patch(String path) {}

  record Labels(Map<String, String> pairs) {}

  record Image(String name, String newTag) {}

  static Stream<Path> kustomizations() {
    return Repository.files(Manifests.FOLDER).stream()
        .filter(file -> file.endsWith("kustomization.yaml"));
  }

  static Stream<Path> manifests() {
    return Repository.files(Manifests.FOLDER).stream()
        .filter(file -> !file.endsWith("kustomization.yaml"));
  }

  private static Kustomization kustomization(Path file) throws JsonProcessingException {
    return Manifests.YAML.readValue(Repository.read(file), Kustomization.class);
  }

  @ParameterizedTest
  @MethodSource("manifests")
  void shouldBeOfTheApiWhenItIsAManifest(Path file) throws ReflectiveOperationException {
    List<HasMetadata> objects = Manifests.parse(Repository.read(file));

    assertThat(objects).isNotEmpty();
    for (HasMetadata object : objects) {
      assertThat(object.getApiVersion())
          .isEqualTo(object.getClass().getDeclaredConstructor().newInstance().getApiVersion());
    }
  }

  @Test
  void shouldRefuseAManifestWhenTheApiDoesNotKnowAProperty() {
    String worker = Repository.read(Manifests.BASE.resolve("worker.yaml"));

    assertThatThrownBy(() -> Manifests.parse(worker.replace("podManagementPolicy", "podPolicy")))
        .hasMessageContaining("podPolicy");
    assertThatThrownBy(() -> Manifests.parse(worker.replace("failureThreshold", "failures")))
        .hasMessageContaining("failures");
  }

  @ParameterizedTest
  @MethodSource("kustomizations")
  void shouldListEveryFileWhenItIsAKustomization(Path file) throws JsonProcessingException {
    Kustomization kustomization = kustomization(file);
    Path folder = Objects.requireNonNull(file.getParent());
    Set<String> listed = new TreeSet<>();
    for (String resource : orEmpty(kustomization.resources)) {
      if (resource.endsWith(".yaml")) {
        listed.add(resource);
      } else {
        assertThat(folder.resolve(resource).resolve("kustomization.yaml")).isRegularFile();
      }
    }
    orEmpty(kustomization.patches).forEach(patch -> listed.add(patch.path));
    for (String component : orEmpty(kustomization.components)) {
      assertThat(kustomization(folder.resolve(component).resolve("kustomization.yaml")).kind)
          .isEqualTo("Component");
    }
    assertThat(Repository.files(folder))
        .extracting(path -> folder.relativize(path).toString())
        .filteredOn(name -> !name.equals("kustomization.yaml"))
        .containsExactlyElementsOf(listed);
    for (Image image : orEmpty(kustomization.images)) {
      assertThat(image).isEqualTo(new Image("longtake", Build.version()));
    }
  }

  private static <T> List<T> orEmpty(@Nullable List<T> list) {
    return list == null ? List.of() : list;
  }

  @ParameterizedTest
  @MethodSource("kustomizations")
  void shouldChangeWhatThereIsWhenItIsAPatch(Path file) throws JsonProcessingException {
    Map<String, PodTemplateSpec> base = Manifests.pods(Manifests.BASE);
    Path folder = Objects.requireNonNull(file.getParent());
    for (Patch patch : orEmpty(kustomization(file).patches)) {
      for (HasMetadata object : Manifests.parse(Repository.read(folder.resolve(patch.path)))) {
        assertThat(Manifests.all(Manifests.BASE, object.getClass()))
            .extracting(each -> each.getMetadata().getName())
            .contains(object.getMetadata().getName());
      }
    }
    Manifests.pods(folder)
        .forEach((name, pod) ->
            assertThat(Manifests.container(pod).getName())
                .isEqualTo(Manifests.container(Objects.requireNonNull(base.get(name))).getName()));
  }

  /** The base, and what each component changes of it. */
  static Stream<Path> variants() {
    return Stream.concat(
        Stream.of(Manifests.BASE),
        kustomizations()
            .map(file -> Objects.requireNonNull(file.getParent()))
            .filter(folder -> folder.toString().contains("/components/")));
  }

  /** What a container's process makes of its arguments and variables. */
  private static CommandSpec understood(Path variant, String workload) {
    Container base = container(Manifests.BASE, workload);
    List<EnvVar> variables = new ArrayList<>(base.getEnv());
    if (!variant.equals(Manifests.BASE) && Manifests.pods(variant).containsKey(workload)) {
      // As Kustomize merges them: what is new comes first, and so must what it names.
      variables.addAll(0, container(variant, workload).getEnv());
    }
    List<String> arguments = base.getArgs();
    return Role.of(arguments.getFirst())
        .understand(arguments.subList(1, arguments.size()), Manifests.environment(variables));
  }

  private static Container container(Path folder, String workload) {
    return Manifests.container(Objects.requireNonNull(Manifests.pods(folder).get(workload)));
  }

  @ParameterizedTest
  @MethodSource("variants")
  void shouldUnderstandItsOptionsWhenAContainerStarts(Path variant) {
    for (String workload : Manifests.pods(Manifests.BASE).keySet()) {
      CommandSpec command = understood(variant, workload);
      Map<String, Integer> ports = new HashMap<>();
      for (ContainerPort port : container(Manifests.BASE, workload).getPorts()) {
        ports.put(port.getName(), port.getContainerPort());
      }
      assertThat(ports)
          .containsEntry("grpc", command.findOption("--port").getValue())
          .containsEntry("metrics", command.findOption("--metrics-port").getValue());
      if (command.findOption("--http-port") != null) {
        assertThat(ports).containsEntry("http", command.findOption("--http-port").getValue());
      }
      // Else nobody outside of the pod could call it.
      assertThat(command.findOption("--host").<String>getValue()).isEqualTo("0.0.0.0");
      assertThat(command.findOption("--metrics-host").<String>getValue()).isEqualTo("0.0.0.0");
      // Whoever has certificates speaks no plain text.
      assertThat(command.findOption("--plaintext").<Boolean>getValue())
          .isEqualTo(command.findOption("--tls-cert").getValue() == null);
    }
  }

  @Test
  void shouldHaveTimeToDrainWhenAPodIsEnded() {
    StatefulSet workers = Manifests.all(Manifests.BASE, StatefulSet.class).getFirst();
    int drainSeconds =
        understood(Manifests.BASE, "longtake-worker").findOption("--drain-timeout").getValue();

    assertThat(workers.getSpec().getTemplate().getSpec().getTerminationGracePeriodSeconds())
        .isGreaterThan(drainSeconds);
  }

  @Test
  void shouldCallEachOtherByNamesThatServicesHave() {
    CommandSpec worker = understood(Manifests.BASE, "longtake-worker");
    Service coordinator = service("longtake-coordinator");
    Service workers = service("longtake-worker");

    assertThat(worker.findOption("--coordinator").<List<String>>getValue())
        .containsExactly(
            "longtake-coordinator:" + coordinator.getSpec().getPorts().getFirst().getPort());
    assertThat(worker.findOption("--advertise").<String>getValue())
        .isEqualTo("longtake-worker-0." + workers.getMetadata().getName());
    assertThat(
            Manifests.all(Manifests.BASE, StatefulSet.class).getFirst().getSpec().getServiceName())
        .isEqualTo(workers.getMetadata().getName());
    // Names of pods are a headless service's.
    assertThat(workers.getSpec().getClusterIP()).isEqualTo("None");
    assertThat(
            understood(
                    Manifests.FOLDER.resolve("components/several-coordinators"),
                    "longtake-coordinator")
                .findOption("--advertise")
                .<String>getValue())
        .isEqualTo(coordinator.getMetadata().getName());
  }

  private static Service service(String name) {
    return Manifests.all(Manifests.BASE, Service.class).stream()
        .filter(service -> service.getMetadata().getName().equals(name))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void shouldSelectWhatThereIs() {
    Map<String, PodTemplateSpec> pods = Manifests.pods(Manifests.BASE);
    Manifests.all(Manifests.BASE, Deployment.class)
        .forEach(
            object -> assertSelects(object.getSpec().getSelector().getMatchLabels(), object, pods));
    Manifests.all(Manifests.BASE, StatefulSet.class)
        .forEach(
            object -> assertSelects(object.getSpec().getSelector().getMatchLabels(), object, pods));
    Manifests.all(Manifests.BASE, PodDisruptionBudget.class)
        .forEach(
            object -> assertSelects(object.getSpec().getSelector().getMatchLabels(), object, pods));
    Manifests.all(Manifests.BASE, NetworkPolicy.class)
        .forEach(object ->
            assertSelects(object.getSpec().getPodSelector().getMatchLabels(), object, pods));
    for (Service service : Manifests.all(Manifests.BASE, Service.class)) {
      assertSelects(service.getSpec().getSelector(), service, pods);
      for (ServicePort port : service.getSpec().getPorts()) {
        assertThat(container(Manifests.BASE, service.getMetadata().getName()).getPorts())
            .anySatisfy(each -> {
              assertThat(each.getName()).isEqualTo(port.getTargetPort().getStrVal());
              assertThat(each.getContainerPort()).isEqualTo(port.getPort());
            });
      }
    }
    for (ServiceMonitor monitor :
        Manifests.all(Manifests.FOLDER.resolve("components/monitoring"), ServiceMonitor.class)) {
      Service service = service(monitor.getMetadata().getName());
      assertThat(service.getMetadata().getLabels())
          .containsAllEntriesOf(monitor.getSpec().getSelector().getMatchLabels());
      assertThat(service.getSpec().getPorts())
          .extracting(ServicePort::getName)
          .contains(monitor.getSpec().getEndpoints().getFirst().getPort());
    }
  }

  /** Objects and the pods that they are about have one name. */
  private static void assertSelects(
      Map<String, String> selector, HasMetadata object, Map<String, PodTemplateSpec> pods) {
    String name = object.getMetadata().getName();
    assertThat(selector).as(name).isEqualTo(Map.of(NAME, name));
    assertThat(Objects.requireNonNull(pods.get(name)).getMetadata().getLabels())
        .containsAllEntriesOf(selector);
  }

  @Test
  void shouldLetNobodyButCoordinatorAndWorkersReachAWorker() {
    NetworkPolicy policy =
        Manifests.all(Manifests.BASE, NetworkPolicy.class).stream()
            .filter(each -> each.getMetadata().getName().equals("longtake-worker"))
            .findFirst()
            .orElseThrow();

    assertThat(policy.getSpec().getIngress())
        .filteredOn(rule -> rule.getPorts().getFirst().getPort().getStrVal().equals("grpc"))
        .singleElement()
        .satisfies(rule ->
            assertThat(rule.getFrom())
                .extracting(from -> from.getPodSelector().getMatchLabels().get(NAME))
                .containsExactly("longtake-coordinator", "longtake-worker"));
    assertThat(policy.getSpec().getIngress())
        .allSatisfy(rule -> assertThat(rule.getPorts()).isNotEmpty());
  }

  @Test
  void shouldAskForTheHealthThatMeansIt() {
    Container coordinator = container(Manifests.BASE, "longtake-coordinator");
    Container worker = container(Manifests.BASE, "longtake-worker");

    // A standby serves nothing and lives.
    assertThat(coordinator.getLivenessProbe().getGrpc()).isNull();
    assertThat(coordinator.getReadinessProbe().getGrpc().getService())
        .isEqualTo(ClusterGrpc.SERVICE_NAME);
    assertThat(worker.getReadinessProbe().getGrpc().getService())
        .isEqualTo(WorkerGrpc.SERVICE_NAME);
    for (Container container : List.of(coordinator, worker)) {
      for (Probe probe :
          List.of(
              container.getStartupProbe(),
              container.getLivenessProbe(),
              container.getReadinessProbe())) {
        if (probe.getGrpc() != null) {
          assertThat(probe.getGrpc().getPort())
              .isEqualTo(container.getPorts().getFirst().getContainerPort());
        }
      }
    }
  }

  @Test
  void shouldAskByTheProgramWhenProbesCantSpeakTls() {
    Path tls = Manifests.FOLDER.resolve("components/tls");
    Map<String, PodTemplateSpec> pods = Manifests.pods(tls);
    assertThat(pods).hasSize(2);
    for (PodTemplateSpec pod : pods.values()) {
      List<String> command = Manifests.container(pod).getReadinessProbe().getExec().getCommand();
      assertThat(command.subList(0, 3))
          .containsExactly("/opt/java/bin/java", "@/opt/longtake/java-options", "health");
      new CommandLine(new HealthCommand())
          .parseArgs(command.subList(3, command.size()).toArray(String[]::new));
    }
    // What the base has must go: two kinds of probe in one are refused.
    assertThat(Repository.read(tls.resolve("worker.yaml")).split("grpc: null", -1)).hasSize(4);
    assertThat(Repository.read(tls.resolve("coordinator.yaml")).split("grpc: null", -1)).hasSize(2);
  }

  @Test
  void shouldBeRestrictedWhenItRuns() {
    for (PodTemplateSpec pod : Manifests.pods(Manifests.BASE).values()) {
      assertThat(pod.getSpec().getSecurityContext().getRunAsNonRoot()).isTrue();
      assertThat(pod.getSpec().getSecurityContext().getSeccompProfile().getType())
          .isEqualTo("RuntimeDefault");
      assertThat(pod.getSpec().getAutomountServiceAccountToken()).isFalse();
      assertThat(pod.getSpec().getEnableServiceLinks()).isFalse();
      Container container = Manifests.container(pod);
      assertThat(container.getSecurityContext().getAllowPrivilegeEscalation()).isFalse();
      assertThat(container.getSecurityContext().getReadOnlyRootFilesystem()).isTrue();
      assertThat(container.getSecurityContext().getCapabilities().getDrop()).containsExactly("ALL");
      assertThat(container.getResources().getRequests()).containsKeys("cpu", "memory");
      assertThat(container.getResources().getLimits()).containsKey("memory");
    }
  }
}
