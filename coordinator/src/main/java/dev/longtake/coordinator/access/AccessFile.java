package dev.longtake.coordinator.access;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.common.options.YamlMap;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Keys and tenants as YAML:
 *
 * <pre>{@code
 * keys:
 *   - name: alice             # for messages and logs
 *     role: user              # user, operator or worker
 *     tenant: studio-a        # of a user, needed; of an operator, for jobs that name none
 *     sha256: 5f0c...         # of the key; 'longtake new-key' prints both
 * tenants:
 *   studio-a:
 *     jobs: 20                # most that wait and run together
 * }</pre>
 */
final class AccessFile {
  /** Of keys and tenants. */
  static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,64}");

  static final String NAME_WORDS = "1 to 64 letters, digits, '.', '_' and '-'";
  private static final Pattern DIGEST = Pattern.compile("[0-9a-f]{64}");
  private static final int MAX_JOBS = 10_000;

  private final Map<String, OptionalInt> maxJobs = new HashMap<>();
  private final Map<String, Caller> byDigest = new HashMap<>();
  private final Set<String> names = new HashSet<>();

  private AccessFile() {}

  /**
   * Reads a file.
   *
   * @throws LongtakeException INVALID_REQUEST, naming the line, when it is missing or holds something else
   */
  static AccessKeys read(Path file) {
    String text;
    try {
      text = Files.readString(file);
    } catch (IOException e) {
      throw LongtakeException.invalidField(
          "--access",
          "Expected --access to name a file with keys, but '%s' can't be read: %s"
              .formatted(file, Quoted.line(e.getMessage())));
    }
    YamlMap whole = YamlMap.read(file.toString(), text).allow("keys", "tenants");
    AccessFile read = new AccessFile();
    if (whole.has("tenants")) {
      read.readTenants(whole.map("tenants"));
    }
    whole.maps("keys").forEach(read::readKey);
    return new AccessKeys(read.byDigest);
  }

  private void readTenants(YamlMap tenants) {
    for (String name : tenants.keys()) {
      YamlMap tenant = tenants.map(name).allow("jobs");
      maxJobs.put(name, OptionalInt.of(tenant.count("jobs", MAX_JOBS)));
    }
  }

  private void readKey(YamlMap key) {
    key.allow("name", "role", "tenant", "sha256");
    String name = matching(key, "name", NAME, NAME_WORDS);
    if (!names.add(name)) {
      throw key.invalid("name", "another name than those of the keys above");
    }
    Role role =
        Arrays.stream(Role.values())
            .filter(known -> known.name().toLowerCase(Locale.ROOT).equals(key.text("role")))
            .findFirst()
            .orElseThrow(() -> key.invalid("role", "user, operator or worker"));
    // A user without a tenant would see the jobs of all who named none.
    String tenant =
        role == Role.USER || key.has("tenant") ? matching(key, "tenant", NAME, NAME_WORDS) : "";
    String digest = matching(key, "sha256", DIGEST, "64 hexadecimal digits in small letters");
    Caller caller =
        new Caller(name, role, tenant, maxJobs.getOrDefault(tenant, OptionalInt.empty()));
    if (byDigest.put(digest, caller) != null) {
      throw key.invalid("sha256", "another key than those above");
    }
  }

  private static String matching(YamlMap key, String entry, Pattern pattern, String expected) {
    String value = key.text(entry);
    if (!pattern.matcher(value).matches()) {
      throw key.invalid(entry, expected);
    }
    return value;
  }
}
