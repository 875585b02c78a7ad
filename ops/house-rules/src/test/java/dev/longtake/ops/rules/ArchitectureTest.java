package dev.longtake.ops.rules;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The "never" list of the architecture. */
class ArchitectureTest {
  private static final String COMMON = "dev.longtake.common..";
  private static final String WORKER = "dev.longtake.worker..";
  private static final String DEVICE = "dev.longtake.worker.device..";
  private static final String ENGINE = "dev.longtake.worker.engine..";
  private static final String COORDINATOR = "dev.longtake.coordinator..";
  private static final String CLIENT = "dev.longtake.client..";
  private static final String CONTRACTS = "dev.longtake.v1..";

  /** What requests may ask for, beside the contracts. */
  private static final String LIMITS = "dev.longtake.limits..";

  private static final String OPS = "dev.longtake.ops..";
  private static final String[] REMOTE_CALLS = {"io.grpc..", "com.google.protobuf..", CONTRACTS};

  private static final JavaClasses OURS =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages("dev.longtake");

  @Test
  void shouldKnowNoServerWhenInCommon() {
    noClasses()
        .that()
        .resideInAPackage(COMMON)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(WORKER, COORDINATOR, CLIENT, OPS)
        .check(OURS);
  }

  @Test
  void shouldKnowNoModelAndNoCallsWhenADevice() {
    noClasses()
        .that()
        .resideInAPackage(DEVICE)
        .should()
        .dependOnClassesThat(
            JavaClass.Predicates.resideInAPackage(WORKER)
                .and(JavaClass.Predicates.resideOutsideOfPackage(DEVICE)))
        .check(OURS);
    noClasses()
        .that()
        .resideInAPackage(DEVICE)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(REMOTE_CALLS)
        .check(OURS);
  }

  @Test
  void shouldKnowNoCallsWhenInTheEngine() {
    noClasses()
        .that()
        .resideInAPackage(ENGINE)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(REMOTE_CALLS)
        .check(OURS);
  }

  @Test
  void shouldMeetInTheContractsOnlyWhenCoordinatorAndWorker() {
    noClasses()
        .that()
        .resideInAPackage(COORDINATOR)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(WORKER, CLIENT, OPS)
        .check(OURS);
    noClasses()
        .that()
        .resideInAPackage(WORKER)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(COORDINATOR, CLIENT, OPS)
        .check(OURS);
  }

  @Test
  void shouldNeedNothingButTheContractsWhenAClient() {
    classes()
        .that()
        .resideInAPackage(CLIENT)
        .should()
        .onlyDependOnClassesThat(
            JavaClass.Predicates.resideOutsideOfPackage("dev.longtake..")
                .or(JavaClass.Predicates.resideInAnyPackage(CLIENT, CONTRACTS, LIMITS)))
        .check(OURS);
    classes()
        .that()
        .resideInAPackage(LIMITS)
        .should()
        .onlyDependOnClassesThat(
            JavaClass.Predicates.resideOutsideOfPackage("dev.longtake..")
                .or(JavaClass.Predicates.resideInAnyPackage(CONTRACTS, LIMITS)))
        .check(OURS);
  }

  @ParameterizedTest
  @ValueSource(strings = {"common", "worker", "coordinator", "client", "ops"})
  void shouldHaveNoCyclesWhenPackagesOfAModule(String module) {
    slices()
        .assignedFrom(new PackagesOf("dev.longtake." + module))
        .should()
        .beFreeOfCycles()
        .check(OURS);
  }

  @Test
  void shouldSeeTheWholeProgramWhenChecking() {
    assertThat(OURS.containPackage("dev.longtake.common")).isTrue();
    assertThat(OURS.containPackage("dev.longtake.ops.launcher")).isTrue();
    assertThat(OURS.containPackage("dev.longtake.v1")).isTrue();
  }

  /** Every package of a module is a slice. */
  private record PackagesOf(String root) implements SliceAssignment {
    @Override
    public SliceIdentifier getIdentifierOf(JavaClass type) {
      String name = type.getPackageName();
      return name.equals(root) || name.startsWith(root + ".")
          ? SliceIdentifier.of(name)
          : SliceIdentifier.ignore();
    }

    @Override
    public String getDescription() {
      return "packages of " + root;
    }
  }
}
