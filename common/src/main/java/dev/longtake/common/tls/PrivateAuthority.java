package dev.longtake.common.tls;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * An authority in a folder that issues certificates, with the JDK's {@code keytool}. For tests, benchmarks and first steps: its key lies
 * on the disk, where only the folder's owner can read it, behind a password that everybody knows. For one thread at a time.
 */
public final class PrivateAuthority {
  /** Of its own entry among those that it issued. */
  static final String NAME = "authority";

  private static final String PASSWORD = "not-a-secret";

  /** Of an authority for a test. */
  private static final int TEST_DAYS = 2;

  private static final long KEYTOOL_SECONDS = 60;

  private final Path folder;

  private PrivateAuthority(Path folder) {
    this.folder = folder;
  }

  /** As {@link #in}, for a test. */
  public static PrivateAuthority create(Path folder) {
    return in(folder, TEST_DAYS);
  }

  /**
   * The authority of a folder, which gets a key of its own where there is none.
   *
   * @param folder that exists
   * @param days that a new one is valid
   * @throws LongtakeException INTERNAL when keytool fails, TIMED_OUT when it does not end
   */
  static PrivateAuthority in(Path folder, int days) {
    var authority = new PrivateAuthority(folder);
    if (!Files.exists(authority.store())) {
      authority.generate(
          NAME, List.of("-ext", "bc:critical=ca:true", "-validity", Integer.toString(days)));
    }
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

  /** A certificate for a host and for loopback, whose files have the host's name, in the place of one that there was. */
  TlsFiles issueFor(String host, int days) {
    boolean isAddress =
        host.contains(":") || host.chars().allMatch(c -> c == '.' || (c >= '0' && c <= '9'));
    String own = (isAddress ? "ip:" : "dns:") + host;
    try {
      KeyStore store = load();
      if (store.containsAlias(host)) {
        store.deleteEntry(host);
        try (OutputStream out = Files.newOutputStream(store())) {
          store.store(out, PASSWORD.toCharArray());
        }
      }
    } catch (GeneralSecurityException | IOException e) {
      throw failed(e);
    }
    return issue(host, own + ",ip:127.0.0.1,dns:localhost", "-0d", days);
  }

  /**
   * A certificate that is valid for a day.
   *
   * @param hosts as keytool's extension san has them
   * @param start of the day, as keytool's -startdate has it: {@code "-2d"}
   */
  TlsFiles issue(String name, String hosts, String start) {
    return issue(name, hosts, start, /* days= */ 1);
  }

  private TlsFiles issue(String name, String hosts, String start, int days) {
    List<String> more = List.of("-signer", NAME, "-ext", "san=" + hosts, "-startdate", start);
    generate(
        name,
        Stream.concat(more.stream(), Stream.of("-validity", Integer.toString(days))).toList());
    try {
      KeyStore store = load();
      Key key = Objects.requireNonNull(store.getKey(name, PASSWORD.toCharArray()));
      return new TlsFiles(
          write(name + ".crt", "CERTIFICATE", certificate(store, name).getEncoded()),
          write(name + ".key", "PRIVATE KEY", key.getEncoded()),
          write("ca.crt", "CERTIFICATE", certificate(store, NAME).getEncoded()));
    } catch (GeneralSecurityException | IOException e) {
      throw failed(e);
    }
  }

  private KeyStore load() throws GeneralSecurityException, IOException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store())) {
      store.load(in, PASSWORD.toCharArray());
    }
    return store;
  }

  private LongtakeException failed(Exception e) {
    return new LongtakeException(
        ErrorCode.INTERNAL,
        "Cannot issue a certificate in %s: %s".formatted(folder, e.getMessage()),
        e);
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
    Path written = folder.resolve(file);
    if (label.endsWith("KEY")) {
      // Nobody else can read it, not for a moment.
      Files.deleteIfExists(written);
      Files.createFile(written);
      hide(written);
    }
    return Files.writeString(
        written, "-----BEGIN %s-----%n%s%n-----END %s-----%n".formatted(label, body, label));
  }

  /** From now on only the owner can read or write the file, where the system knows owners. */
  private static void hide(Path file) throws IOException {
    if (Files.getFileStore(file).supportsFileAttributeView(PosixFileAttributeView.class)) {
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
    }
  }

  private void generate(String name, List<String> more) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
    // It ends before the optimising compiler has paid off: 0.7 s of processor time instead of 1.4.
    command.addAll(List.of("-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC"));
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
      hide(store());
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL, "keytool cannot be run: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(ErrorCode.CANCELED, "Interrupted while keytool ran", e);
    }
  }
}
