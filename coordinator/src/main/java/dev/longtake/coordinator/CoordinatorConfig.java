package dev.longtake.coordinator;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tls.TlsIdentity;
import dev.longtake.coordinator.access.Access;
import dev.longtake.coordinator.cache.EmbeddingCacheSettings;
import dev.longtake.coordinator.web.HttpConfig;
import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How a coordinator is set up.
 *
 * @param host the interface to listen on
 * @param port 0 for any free one
 * @param tls for every connection; null for plain text
 * @param access whose keys allow what; with keys, callers need no certificate
 * @param dataFolder for videos and frames under way; made when it is missing, used by one coordinator, or by all on one database
 * @param database a JDBC URL of PostgreSQL, where jobs are stored; null for a file in the data folder
 * @param advertise what clients call this coordinator by, when another refuses them; null for {@code host}
 * @param lease how long one of several coordinators on a database leads without renewing that, 2 s to 5 min
 * @param checkpointEvery steps from one checkpoint of a job to the next, 0: none
 * @param queueLimit most jobs that wait, at least 1
 * @param mixedDevices whether workers with devices of different kinds may share a job, whose bytes then depend on who has which part
 * @param embeddings how much is kept of what text encoders made
 * @param exchangeTimeout how long a worker waits for a peer
 * @param heartbeatInterval workers that miss three heartbeats are removed
 * @param encodeTimeout for a worker to encode a prompt
 * @param stallTimeout how long a job may go without any sign of progress
 * @param shutdownTimeout for running jobs to stop and open calls to end
 * @param http where the same is served by HTTP; null for nowhere
 */
public record CoordinatorConfig(
    String host,
    int port,
    @Nullable TlsIdentity tls,
    Access access,
    Path dataFolder,
    @Nullable String database,
    @Nullable String advertise,
    Duration lease,
    int checkpointEvery,
    int queueLimit,
    boolean mixedDevices,
    EmbeddingCacheSettings embeddings,
    Duration exchangeTimeout,
    Duration heartbeatInterval,
    Duration encodeTimeout,
    Duration stallTimeout,
    Duration shutdownTimeout,
    @Nullable HttpConfig http) {
  public static final int DEFAULT_QUEUE_LIMIT = 64;
  public static final Duration DEFAULT_EXCHANGE_TIMEOUT = Duration.ofSeconds(30);
  public static final Duration DEFAULT_HEARTBEAT_INTERVAL = Duration.ofSeconds(1);
  public static final Duration DEFAULT_ENCODE_TIMEOUT = Duration.ofSeconds(30);

  /** Loading the weights of a large model from a slow disk gives no sign of progress. */
  public static final Duration DEFAULT_STALL_TIMEOUT = Duration.ofMinutes(30);

  public static final Duration DEFAULT_SHUTDOWN_TIMEOUT = Duration.ofSeconds(10);

  /** A checkpoint is small against what a step computes. */
  public static final int DEFAULT_CHECKPOINT_EVERY = 1;

  /** Longer than a collection of garbage, shorter than anybody's patience. */
  public static final Duration DEFAULT_LEASE = Duration.ofSeconds(5);

  private static final Duration MIN_LEASE = Duration.ofSeconds(2);
  private static final Duration MAX_LEASE = Duration.ofMinutes(5);
  private static final int MAX_PORT = 65_535;
  private static final int MAX_QUEUE_LIMIT = 10_000;

  public CoordinatorConfig {
    if (port < 0 || port > MAX_PORT) {
      throw LongtakeException.invalidField(
          "port", "Expected --port to be 0 to %d, but got %d".formatted(MAX_PORT, port));
    }
    if (queueLimit < 1 || queueLimit > MAX_QUEUE_LIMIT) {
      throw LongtakeException.invalidField(
          "queue-limit",
          "Expected --queue-limit to be 1 to %d, but got %d"
              .formatted(MAX_QUEUE_LIMIT, queueLimit));
    }
    if (checkpointEvery < 0) {
      throw LongtakeException.invalidField(
          "checkpoint-every",
          "Expected --checkpoint-every to be at least 0, but got %d".formatted(checkpointEvery));
    }
    if (lease.compareTo(MIN_LEASE) < 0 || lease.compareTo(MAX_LEASE) > 0) {
      throw LongtakeException.invalidField(
          "lease",
          "Expected --lease to be %d s to %d s, but got %d ms"
              .formatted(MIN_LEASE.toSeconds(), MAX_LEASE.toSeconds(), lease.toMillis()));
    }
    requirePositive("exchange-timeout", exchangeTimeout);
    requirePositive("heartbeat-interval", heartbeatInterval);
    requirePositive("encode-timeout", encodeTimeout);
    requirePositive("stall-timeout", stallTimeout);
    requirePositive("shutdown-timeout", shutdownTimeout);
  }

  /** The defaults for everything but the address and the folder; plain text. */
  public static CoordinatorConfig of(String host, int port, Path dataFolder) {
    return new CoordinatorConfig(
        host,
        port,
        null,
        Access.open(),
        dataFolder,
        null,
        null,
        DEFAULT_LEASE,
        DEFAULT_CHECKPOINT_EVERY,
        DEFAULT_QUEUE_LIMIT,
        /* mixedDevices= */ false,
        EmbeddingCacheSettings.defaults(),
        DEFAULT_EXCHANGE_TIMEOUT,
        DEFAULT_HEARTBEAT_INTERVAL,
        DEFAULT_ENCODE_TIMEOUT,
        DEFAULT_STALL_TIMEOUT,
        DEFAULT_SHUTDOWN_TIMEOUT,
        null);
  }

  /** For those who call: where keys say who they are, they need no certificate. */
  @Nullable TlsIdentity serverTls() {
    return tls == null || access.isOpen() ? tls : tls.withOptionalCallers();
  }

  private static void requirePositive(String name, Duration value) {
    if (!value.isPositive()) {
      throw LongtakeException.invalidField(
          name,
          "Expected --%s to be longer than nothing, but got %d ms"
              .formatted(name, value.toMillis()));
    }
  }
}
