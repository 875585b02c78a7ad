package dev.longtake.ops.rules;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The bill of materials that applications import has no parent, so nothing but this keeps its versions those of the build. */
class BillOfMaterialsTest {
  private static final String BUILD = Sources.read(Sources.root().resolve("pom.xml"));
  private static final String BILL = Sources.read(Sources.root().resolve("client/bom/pom.xml"));

  private static String value(String pom, String element) {
    Matcher value = Pattern.compile("<%1$s>([^<]+)</%1$s>".formatted(element)).matcher(pom);
    assertThat(value.find()).as(element).isTrue();
    return value.group(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"version", "grpc.version", "protobuf.version"})
  void shouldHaveTheVersionsOfTheBuild(String element) {
    assertThat(value(BILL, element)).isEqualTo(value(BUILD, element));
  }

  @Test
  void shouldNameWhatApplicationsNeed() {
    assertThat(BILL)
        .contains("<artifactId>longtake-client</artifactId>")
        .contains("<artifactId>longtake-proto</artifactId>");
  }
}
