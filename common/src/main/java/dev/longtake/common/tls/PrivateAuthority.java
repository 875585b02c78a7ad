package dev.longtake.common.tls;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/**
 * An authority in a folder that issues certificates for loopback, with the JDK's {@code keytool}. For tests and benchmarks: its keys lie
 * on the disk behind a password that everybody knows. For one thread at a time.
 */
public final class PrivateAuthority {
  private static final String NAME = "authority";
  private static final String PASSWORD = "for-tests-only";
  private static final long KEYTOOL_SECONDS = 60;

  private final Path folder;

  private PrivateAuthority(Path folder) {
    this.folder = folder;
  }

  /**
   * Makes an authority with a key of its own.
   *
   * @param folder that exists and has none
   * @throws LongtakeException INTERNAL when keytool fails, TIMED_OUT when it does not end
   */
  public static PrivateAuthority create(Path folder) {
    var authority = new PrivateAuthority(folder);
    authority.generate(NAME, List.of("-ext", "bc:critical=ca:true", "-validity", "2"));
    return authority;
  }

  /**
   * A certificate for 127.0.0.1 and localhost that is valid for a day.
   *
   * @param name of the files, which are put into the folder
   * @throws LongtakeException INTERNAL when keytool fails, TIMED_OUT when it does not end
   */
  public TlsFiles issue(String name) {
    return issue(name, "ip:127.0.0.1,dns:localhost", "-0d");
  }

  /**
   * A certificate that is valid for a day.
   *
   * @param hosts as keytool's extension san has them
   * @param start of the day, as keytool's -startdate has it: {@code "-2d"}
   */
  TlsFiles issue(String name, String hosts, String start) {
    generate(
        name,
        List.of("-signer", NAME, "-ext", "san=" + hosts, "-startdate", start, "-validity", "1"));
    try {
      KeyStore store = KeyStore.getInstance("PKCS12");
      try (InputStream in = Files.newInputStream(store())) {
        store.load(in, PASSWORD.toCharArray());
      }
      Key key = Objects.requireNonNull(store.getKey(name, PASSWORD.toCharArray()));
      return new TlsFiles(
          write(name + ".crt", "CERTIFICATE", certificate(store, name).getEncoded()),
          write(name + ".key", "PRIVATE KEY", key.getEncoded()),
          write("ca.crt", "CERTIFICATE", certificate(store, NAME).getEncoded()));
    } catch (GeneralSecurityException | IOException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Cannot issue a certificate in %s: %s".formatted(folder, e.getMessage()),
          e);
    }
  }

  private static Certificate certificate(KeyStore store, String name)
      throws GeneralSecurityException {
    return Objects.requireNonNull(store.getCertificate(name));
  }

  private Path store() {
    return folder.resolve("authority.p12");
  }

  private Path write(String file, String label, byte[] encoded) throws IOException {
    String body =
        Base64.getMimeEncoder(64, "\n".getBytes(StandardCharsets.US_ASCII)).encodeToString(encoded);
    return Files.writeString(
        folder.resolve(file),
        "-----BEGIN %s-----%n%s%n-----END %s-----%n".formatted(label, body, label));
  }

  private void generate(String name, List<String> more) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
    command.addAll(List.of("-genkeypair", "-alias", name, "-dname", "CN=" + name));
    command.addAll(List.of("-keyalg", "EC", "-groupname", "secp256r1"));
    command.addAll(List.of("-keystore", store().toString(), "-storepass", PASSWORD));
    command.addAll(more);
    Path log = folder.resolve("keytool.log");
    try {
      Process keytool =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .start();
      if (!keytool.waitFor(KEYTOOL_SECONDS, TimeUnit.SECONDS)) {
        keytool.destroyForcibly();
        throw new LongtakeException(
            ErrorCode.TIMED_OUT,
            "Expected keytool to make a key within %d s, but it did not; see %s"
                .formatted(KEYTOOL_SECONDS, log));
      }
      if (keytool.exitValue() != 0) {
        throw new LongtakeException(
            ErrorCode.INTERNAL,
            "keytool failed: " + Files.readString(log).lines().findFirst().orElse(""));
      }
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL, "keytool cannot be run: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(ErrorCode.CANCELED, "Interrupted while keytool ran", e);
    }
  }
}
