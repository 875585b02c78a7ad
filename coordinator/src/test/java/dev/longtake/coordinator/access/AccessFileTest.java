package dev.longtake.coordinator.access;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

final class AccessFileTest {
  @TempDir Path folder;

  private static String key(String name, String role, String tenant, String secret) {
    return """
      - name: %s
        role: %s
        tenant: %s
        sha256: %s
    """
        .formatted(name, role, tenant, AccessKeys.digest(secret));
  }

  /** Writes a file whose time of change differs from that of any other in this test. */
  private Path write(String text, int version) throws IOException {
    Path file = Files.writeString(folder.resolve("access.yaml"), text);
    return Files.setLastModifiedTime(file, FileTime.fromMillis(version * 10_000L));
  }

  @Test
  void shouldKnowWhoseKeyItIs() throws Exception {
    Access access =
        Access.of(
            write(
                "tenants:\n  studio:\n    jobs: 3\nkeys:\n"
                    + key("anna", "user", "studio", "secret-1")
                    + "  - name: root\n    role: operator\n    sha256: "
                    + AccessKeys.digest("secret-2"),
                1));

    assertThat(access.isOpen()).isFalse();
    assertThat(access.caller("secret-1"))
        .hasValue(new Caller("anna", Role.USER, "studio", OptionalInt.of(3)));
    assertThat(access.caller("secret-2"))
        .hasValue(new Caller("root", Role.OPERATOR, "", OptionalInt.empty()));
    assertThat(access.caller("secret-3")).isEmpty();
    assertThat(access.caller("")).isEmpty();
    assertThat(access.caller(AccessKeys.digest("secret-1"))).as("what the file holds").isEmpty();
  }

  @Test
  void shouldReadAgainWhenTheFileChangesAndKeepTheKeysWhileItIsWrong() throws Exception {
    Access access = Access.of(write("keys:\n" + key("anna", "user", "a", "old"), 1));

    write("keys:\n" + key("anna", "boss", "a", "new"), 2);
    assertThat(access.caller("old")).isPresent();
    Files.delete(folder.resolve("access.yaml"));
    assertThat(access.caller("old")).isPresent();

    write("keys:\n" + key("anna", "user", "a", "new"), 3);
    assertThat(access.caller("new")).isPresent();
    assertThat(access.caller("old")).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      value = {
        "boss | a | 1 | Expected keys[0].role to be user, operator or worker, but got 'boss'",
        "user | \"'a b'\" | 1 | Expected keys[0].tenant to be 1 to 64 letters, digits,",
        "user | a | 2 | Expected keys[1].name to be another name than those of the keys above",
      })
  void shouldNameTheLineWhenAnEntryIsWrong(String role, String tenant, int times, String words)
      throws Exception {
    Path file = write("keys:\n" + key("anna", role, tenant, "secret").repeat(times), 1);
    assertThatThrownBy(() -> Access.of(file))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining(words)
        .hasMessageContaining("access.yaml, line ");
  }

  @Test
  void shouldRefuseWhatIsNoFileOfKeys() throws Exception {
    assertThatThrownBy(() -> Access.of(folder.resolve("none")))
        .hasMessageContaining("Expected --access to name a file with keys");
    Path file = write("keys: []\n", 1);
    assertThatThrownBy(() -> Access.of(file)).hasMessageContaining("a list of at least one entry");
    write("keys:\n" + key("anna", "user", "a", "x").replace("    tenant: a\n", ""), 2);
    assertThatThrownBy(() -> Access.of(file)).hasMessageContaining("keys[0].tenant");
    write("keys:\n" + key("anna", "user", "a", "x") + key("bert", "user", "a", "x"), 3);
    assertThatThrownBy(() -> Access.of(file)).hasMessageContaining("keys[1].sha256");
    write("keys:\n" + key("anna", "user", "a", "x") + "tenants:\n  a:\n    jobs: 0\n", 4);
    assertThatThrownBy(() -> Access.of(file)).hasMessageContaining("tenants.a.jobs");
    write("keys:\n" + key("anna", "user", "a", "x") + "tenant: a\n", 5);
    assertThatThrownBy(() -> Access.of(file)).hasMessageContaining("the key 'tenant'");
  }

  @Test
  void shouldMakeAKeyAndTheEntryThatGoesWithIt() throws Exception {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine command =
        new CommandLine(new NewKeyCommand())
            .setOut(new PrintWriter(out, true))
            .setErr(new PrintWriter(err, true));

    assertThat(command.execute("anna", "--tenant", "studio")).isZero();

    String secret = out.toString().strip();
    assertThat(secret).matches("lt_[A-Za-z0-9_-]{43}");
    assertThat(err.toString()).doesNotContain(secret);
    assertThat(Access.of(write("keys:\n" + err, 1)).caller(secret))
        .hasValue(new Caller("anna", Role.USER, "studio", OptionalInt.empty()));
    assertThat(command.execute("anna anna")).isEqualTo(2);
    assertThat(err.toString()).contains("Expected NAME to be 1 to 64 letters");
    assertThat(command.execute("anna", "--role", "boss")).isEqualTo(2);
    assertThat(err.toString()).contains("user, operator or worker, but got 'boss'");
  }
}
