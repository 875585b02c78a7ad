package dev.longtake.worker.conformance;

import com.google.gson.JsonObject;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.worker.device.DeviceChoice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The gangs of one case: one for each configuration that its runs need, since a run may change fields of the configuration or name
 * another class for the same weights. Owns them, and the folders made for changed configurations.
 */
final class Gangs implements AutoCloseable {
  private final GoldenCase golden;
  private final int workers;
  private final DeviceChoice device;
  private final Map<JsonObject, Gang> gangs = new LinkedHashMap<>();
  private final Map<JsonObject, Path> folders = new LinkedHashMap<>();

  Gangs(GoldenCase golden, int workers, DeviceChoice device) {
    this.golden = golden;
    this.workers = workers;
    this.device = device;
  }

  /** The gang that a run needs, started at its first use. */
  Gang of(GoldenRun run) {
    JsonObject config = golden.config();
    // A sampler's configuration names its model's.
    JsonObject changed = config.has("sampler") ? config : run.override(config);
    Gang gang = gangs.get(changed);
    if (gang == null) {
      Path folder = changed.equals(config) ? golden.folder() : folder(changed);
      gang =
          workers == 1
              ? LocalGang.open(folder, device)
              : ProcessGang.start(folder, workers, device);
      gangs.put(changed, gang);
    }
    return gang;
  }

  private Path folder(JsonObject model) {
    Path weights = ModelFolder.open(golden.folder()).ditWeights();
    JsonObject config = new JsonObject();
    config.add("model", model);
    config.addProperty("weights", weights.toString());
    try {
      Path folder = Files.createTempDirectory("longtake-conformance");
      folders.put(model, folder);
      Files.writeString(folder.resolve("config.json"), config.toString());
      return folder;
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Cannot write a changed configuration in a temporary folder: " + e.getMessage(),
          e);
    }
  }

  @Override
  public void close() {
    gangs.values().forEach(Gang::close);
    folders.values().forEach(Gangs::delete);
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      // In the system's temporary folder; leaving it does no harm.
    }
  }
}
