package dev.longtake.ops.rules;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.googlejavaformat.java.Formatter;
import com.google.googlejavaformat.java.FormatterException;
import com.google.googlejavaformat.java.JavaFormatterOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * All Java is formatted by google-java-format, Javadoc excepted, which it would wrap inside code spans. To format: {@code
 * mvn -pl ops/house-rules -am test -Dtest=FormattingTest -Dsurefire.failIfNoSpecifiedTests=false -Dlongtake.format=write}.
 */
class FormattingTest {
  private static final boolean IS_TO_WRITE = "write".equals(System.getProperty("longtake.format"));

  private final Formatter formatter =
      new Formatter(
          JavaFormatterOptions.builder()
              .style(JavaFormatterOptions.Style.GOOGLE)
              .formatJavadoc(false)
              .build());

  @Test
  void shouldBeFormattedWhenItIsJava() throws IOException, FormatterException {
    List<Path> files = Sources.withSuffix(".java");
    assertThat(files).hasSizeGreaterThan(20);
    var different = new ArrayList<String>();
    for (Path file : files) {
      String source = Sources.read(file);
      String formatted = formatter.formatSourceAndFixImports(source);
      if (!formatted.equals(source)) {
        if (IS_TO_WRITE) {
          Files.writeString(file, formatted);
        } else {
          different.add(Sources.name(file));
        }
      }
    }
    assertThat(different)
        .as("files that differ from google-java-format; -Dlongtake.format=write formats them")
        .isEmpty();
  }

  @Test
  void shouldSeeADifferenceWhenThereIsOne() throws FormatterException {
    String source = "class A {\n    /** {@code a\n   * b} */ int  a;\n}\n";
    assertThat(formatter.formatSourceAndFixImports(source))
        .contains("  int a;")
        .contains("{@code a");
  }
}
