package dev.longtake.ops.launcher.machines;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** What whoever is called at night looks for. */
final class OperationsGuideTest {
  private static List<String> names(String file, String pattern) {
    return Pattern.compile(pattern, Pattern.MULTILINE)
        .matcher(Repository.read(Repository.ROOT.resolve(Path.of(file))))
        .results()
        .map((MatchResult match) -> match.group(1))
        .toList();
  }

  @Test
  void shouldHaveASectionForEveryAlertAndNoOther() {
    List<String> alerts = names("ops/prometheus/alerts.yml", "- alert: (\\w+)$");

    assertThat(alerts).isNotEmpty();
    assertThat(names("docs/operations.md", "^### (Longtake\\w+)$")).isEqualTo(alerts);
  }
}
