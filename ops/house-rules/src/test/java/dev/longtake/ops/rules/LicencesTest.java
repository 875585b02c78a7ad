package dev.longtake.ops.rules;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** Licences of all libraries of the program, from the bill of materials that {@code mvn verify} writes before it comes here. */
class LicencesTest {
  /** SPDX. Of a library with several, its user chooses one. */
  private static final Set<String> ALLOWED =
      Set.of(
          "Apache-2.0",
          "BSD-2-Clause",
          "BSD-3-Clause",
          "CC0-1.0",
          "EPL-2.0",
          "LGPL-2.1-only",
          "LGPL-2.1-or-later",
          "MIT");

  private static final Path BILL =
      Sources.root().resolve("ops/launcher/target/longtake/longtake.cdx.json");

  @Test
  void shouldHaveALicenceThatIsAllowedWhenALibraryComesWithTheProgram() {
    assumeTrue(Files.exists(BILL), "'mvn verify' writes the bill of materials first");
    JsonObject bill = JsonParser.parseString(Sources.read(BILL)).getAsJsonObject();
    List<String> refused = new ArrayList<>();
    Set<String> libraries = new TreeSet<>();
    for (JsonElement element : bill.getAsJsonArray("components")) {
      JsonObject library = element.getAsJsonObject();
      libraries.add(library.get("name").getAsString());
      List<String> licences = licences(library);
      if (licences.stream().noneMatch(ALLOWED::contains)) {
        refused.add("%s: %s".formatted(library.get("purl").getAsString(), licences));
      }
    }

    assertThat(libraries).contains("grpc-netty", "picocli", "ffmpeg", "onnxruntime", "sqlite-jdbc");
    assertThat(refused).as("libraries without a licence of %s", new TreeSet<>(ALLOWED)).isEmpty();
  }

  /** By id, by name where there is no id, and the parts of expressions. */
  private static List<String> licences(JsonObject library) {
    List<String> licences = new ArrayList<>();
    if (library.has("licenses")) {
      for (JsonElement choice : library.getAsJsonArray("licenses")) {
        JsonObject entry = choice.getAsJsonObject();
        if (entry.has("expression")) {
          licences.addAll(List.of(entry.get("expression").getAsString().split("[() ]+OR[() ]+")));
        } else {
          JsonObject licence = entry.getAsJsonObject("license");
          licences.add(licence.get(licence.has("id") ? "id" : "name").getAsString());
        }
      }
    }
    return licences;
  }
}
