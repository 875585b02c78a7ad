package dev.longtake.common.process;

import com.google.protobuf.Descriptors.FileDescriptor;
import dev.longtake.v1.ClusterOuterClass;
import dev.longtake.v1.ExchangeOuterClass;
import dev.longtake.v1.GenerationOuterClass;
import dev.longtake.v1.PlanOuterClass;
import dev.longtake.v1.TensorOuterClass;
import dev.longtake.v1.WorkerOuterClass;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;

/** Which program this is. Coordinator and workers of one cluster must be of the same build. */
public final class Build {
  private static final int DIGEST_BYTES = 4;

  private static final List<FileDescriptor> CONTRACTS =
      List.of(
          TensorOuterClass.getDescriptor(),
          PlanOuterClass.getDescriptor(),
          WorkerOuterClass.getDescriptor(),
          ExchangeOuterClass.getDescriptor(),
          ClusterOuterClass.getDescriptor(),
          GenerationOuterClass.getDescriptor());

  private Build() {}

  /** The version, for example {@code "1.2.0"}. */
  public static String version() {
    try (InputStream in = Build.class.getResourceAsStream("build.properties")) {
      if (in == null) {
        throw new IllegalStateException("Expected build.properties beside " + Build.class);
      }
      Properties properties = new Properties();
      properties.load(in);
      return properties.getProperty("version", "");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The version and a digest of the contracts, so that programs that would misunderstand each other tell, whatever their versions. */
  public static String id() {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      CONTRACTS.forEach(contract -> digest.update(contract.toProto().toByteArray()));
      return version() + "+" + HexFormat.of().formatHex(digest.digest(), 0, DIGEST_BYTES);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Expected SHA-256 in every JDK", e);
    }
  }
}
