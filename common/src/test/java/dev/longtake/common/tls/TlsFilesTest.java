package dev.longtake.common.tls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** What is wrong with files is said when they are read, and not by whoever is called first. */
final class TlsFilesTest {
  @TempDir private static Path folder;
  private static @Nullable PrivateAuthority authority;
  private static @Nullable TlsFiles issued;

  @TempDir Path files;

  @BeforeAll
  static void issueCertificate() {
    authority = PrivateAuthority.create(folder);
    issued = authority.issue("worker");
  }

  @AfterAll
  static void forgetCertificate() {
    authority = null;
    issued = null;
  }

  private static TlsFiles good() {
    return Objects.requireNonNull(issued);
  }

  private static PrivateAuthority authority() {
    return Objects.requireNonNull(authority);
  }

  @Command(name = "server")
  private static final class Server {
    @Mixin TlsOptions tls = new TlsOptions();
  }

  private static TlsOptions options(List<String> arguments) {
    var server = new Server();
    new CommandLine(server).parseArgs(arguments.toArray(new String[0]));
    return server.tls;
  }

  private static void shouldBeRefused(String option, Callable<?> call, String... words) {
    LongtakeException failure = catchThrowableOfType(LongtakeException.class, call::call);
    assertThat(failure.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
    assertThat(failure.field()).hasValue(option);
    assertThat(failure).hasMessageStartingWith("Expected ").hasMessageContainingAll(words);
    assertThat(failure.getMessage().lines()).hasSize(1);
  }

  private static void shouldBeRefused(String option, TlsFiles wrong, String... words) {
    shouldBeRefused(option, () -> TlsIdentity.read(wrong), words);
  }

  @Test
  void shouldTakeAllThreeOptionsAndPassThemOn() {
    List<String> arguments = good().arguments();
    assertThat(options(arguments).arguments()).isEqualTo(arguments).hasSize(6);
    assertThat(options(arguments).identity()).isNotNull();
  }

  @Test
  void shouldBePlainTextWhenNoOptionIsGiven() {
    assertThat(options(List.of()).identity()).isNull();
    assertThat(options(List.of()).arguments()).isEmpty();
  }

  @Test
  void shouldRefuseWhenOptionsAreMissing() {
    List<String> all = good().arguments();
    shouldBeRefused("--tls-cert", () -> options(all.subList(0, 2)).identity(), "all of --tls-cert");
    shouldBeRefused("--tls-key", () -> options(all.subList(2, 6)).identity(), "without the others");
    shouldBeRefused("--tls-ca", () -> options(all.subList(4, 6)).arguments(), "got --tls-ca");
  }

  @Test
  void shouldRefuseWhenAFileIsMissing() {
    Path nowhere = files.resolve("nowhere.pem");
    shouldBeRefused(
        "--tls-cert",
        new TlsFiles(nowhere, good().key(), good().authorities()),
        "--tls-cert to name a file with certificates in PEM, but there is no '" + nowhere + "'");
    shouldBeRefused(
        "--tls-key",
        new TlsFiles(good().certificates(), nowhere, good().authorities()),
        "--tls-key to name a file with a private key in PEM, but there is no");
    shouldBeRefused(
        "--tls-ca",
        new TlsFiles(good().certificates(), good().key(), files),
        "'" + files + "', that can't be read: ");
  }

  @Test
  void shouldRefuseWhenAFileHoldsSomethingElse() throws Exception {
    Path text = Files.writeString(files.resolve("text"), "no certificate\n");
    Path empty = Files.createFile(files.resolve("empty"));
    Path damaged =
        Files.writeString(
            files.resolve("damaged"), Files.readString(good().certificates()).replace("M", "A"));
    for (Path wrong : List.of(text, empty, damaged, good().key())) {
      shouldBeRefused(
          "--tls-cert",
          new TlsFiles(wrong, good().key(), good().authorities()),
          "certificates in PEM, but got '" + wrong + "'");
    }
    shouldBeRefused(
        "--tls-key",
        new TlsFiles(good().certificates(), text, good().authorities()),
        "which has nothing in PEM; convert a key with 'openssl pkcs8 -topk8 -nocrypt'");
    shouldBeRefused(
        "--tls-key",
        new TlsFiles(good().certificates(), good().certificates(), good().authorities()),
        "which has 'BEGIN CERTIFICATE'");
    Path wrongKey =
        Files.writeString(
            files.resolve("wrong.key"), Files.readString(good().key()).replace("M", "A"));
    shouldBeRefused(
        "--tls-key",
        new TlsFiles(good().certificates(), wrongKey, good().authorities()),
        "the EC key of the certificate",
        "whose key is another or damaged");
  }

  @Test
  void shouldRefuseWhenTheKeyIsOfAnotherCertificate() {
    TlsFiles other = authority().issue("other");
    shouldBeRefused(
        "--tls-key",
        new TlsFiles(good().certificates(), other.key(), good().authorities()),
        "private key of the first certificate in '" + good().certificates(),
        "has another one");
    assertThatCode(() -> TlsIdentity.read(other)).doesNotThrowAnyException();
  }

  @Test
  void shouldRefuseWhenACertificateIsNotValidNow() {
    shouldBeRefused(
        "--tls-cert", authority().issue("old", "dns:localhost", "-3d"), "\"CN=old\"", "expired on");
    shouldBeRefused(
        "--tls-cert", authority().issue("new", "dns:localhost", "+1d"), "is valid only from");
  }
}
