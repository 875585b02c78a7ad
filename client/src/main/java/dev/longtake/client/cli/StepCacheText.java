package dev.longtake.client.cli;

import com.google.gson.JsonObject;
import dev.longtake.v1.Broadcast;
import dev.longtake.v1.FirstBlock;
import dev.longtake.v1.StepCache;
import dev.longtake.v1.StepCacheUse;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * How people write step caches: {@code broadcast spatial=2 temporal=4 cross=6 mlp=2 window=450-930}, of which only the first word and one
 * range are needed, and {@code first-block threshold=0.1 refresh-every=8}. What the values may be is known to the server.
 */
final class StepCacheText {
  private static final String BROADCAST = "broadcast";
  private static final String FIRST_BLOCK = "first-block";

  private StepCacheText() {}

  /** The mode with its parameters, as {@link #parse} takes it; {@code none} for none. */
  static String format(StepCache cache) {
    List<String> words = new ArrayList<>();
    switch (cache.getModeCase()) {
      case BROADCAST -> {
        Broadcast broadcast = cache.getBroadcast();
        words.add(BROADCAST);
        addRange(words, "spatial", broadcast.hasSpatial(), broadcast.getSpatial());
        addRange(words, "temporal", broadcast.hasTemporal(), broadcast.getTemporal());
        addRange(words, "cross", broadcast.hasCross(), broadcast.getCross());
        addRange(words, "mlp", broadcast.hasMlp(), broadcast.getMlp());
        if (broadcast.hasWindowFrom() && broadcast.hasWindowTo()) {
          words.add(
              "window="
                  + number(broadcast.getWindowFrom())
                  + "-"
                  + number(broadcast.getWindowTo()));
        }
      }
      case FIRST_BLOCK -> {
        FirstBlock first = cache.getFirstBlock();
        words.add(FIRST_BLOCK);
        words.add("threshold=" + number(first.getThreshold()));
        addRange(words, "refresh-every", first.hasRefreshEvery(), first.getRefreshEvery());
      }
      case MODE_NOT_SET -> words.add("none");
    }
    return String.join(" ", words);
  }

  private static void addRange(List<String> words, String name, boolean has, int value) {
    if (has) {
      words.add(name + "=" + value);
    }
  }

  private static String number(double value) {
    return value == Math.rint(value) ? Long.toString((long) value) : Double.toString(value);
  }

  /** What a mode saved. */
  static String use(StepCacheUse use) {
    return String.format(
        Locale.ROOT,
        "%d of %d operations taken over (%d spatial, %d temporal, %d cross, %d MLP) in %d of %d"
            + " steps",
        reused(use),
        use.getOperations(),
        use.getSpatialReused(),
        use.getTemporalReused(),
        use.getCrossReused(),
        use.getMlpReused(),
        use.getStepsWithReuse(),
        use.getSteps());
  }

  private static long reused(StepCacheUse use) {
    return use.getSpatialReused()
        + use.getTemporalReused()
        + use.getCrossReused()
        + use.getMlpReused();
  }

  /** The same for scripts. */
  static JsonObject json(StepCacheUse use) {
    var json = new JsonObject();
    json.addProperty("steps", use.getSteps());
    json.addProperty("steps_with_reuse", use.getStepsWithReuse());
    json.addProperty("operations", use.getOperations());
    json.addProperty("spatial_reused", use.getSpatialReused());
    json.addProperty("temporal_reused", use.getTemporalReused());
    json.addProperty("cross_reused", use.getCrossReused());
    json.addProperty("mlp_reused", use.getMlpReused());
    return json;
  }

  /**
   * The mode that a text says.
   *
   * @throws IllegalArgumentException which says how it is written
   */
  static StepCache parse(String text) {
    List<String> words = List.of(text.strip().split("\\s+"));
    List<String> parameters = words.subList(1, words.size());
    try {
      return switch (words.get(0)) {
        case BROADCAST -> StepCache.newBuilder().setBroadcast(broadcast(parameters)).build();
        case FIRST_BLOCK -> StepCache.newBuilder().setFirstBlock(firstBlock(parameters)).build();
        default -> throw new IllegalArgumentException(words.get(0));
      };
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "Expected 'broadcast spatial=2 temporal=4 cross=6 mlp=2 window=450-930' (with at least"
              + " one"
              + " range) or 'first-block threshold=0.1 refresh-every=8', but got '%s'"
                  .formatted(text),
          e);
    }
  }

  private static Broadcast.Builder broadcast(List<String> parameters) {
    Broadcast.Builder broadcast = Broadcast.newBuilder();
    for (String parameter : parameters) {
      String value = parameter.substring(parameter.indexOf('=') + 1);
      switch (parameter.substring(0, parameter.length() - value.length())) {
        case "spatial=" -> broadcast.setSpatial(Integer.parseInt(value));
        case "temporal=" -> broadcast.setTemporal(Integer.parseInt(value));
        case "cross=" -> broadcast.setCross(Integer.parseInt(value));
        case "mlp=" -> broadcast.setMlp(Integer.parseInt(value));
        case "window=" -> {
          int dash = value.indexOf('-', 1);
          if (dash < 0) {
            throw new IllegalArgumentException(value);
          }
          broadcast
              .setWindowFrom(Double.parseDouble(value.substring(0, dash)))
              .setWindowTo(Double.parseDouble(value.substring(dash + 1)));
        }
        default -> throw new IllegalArgumentException(parameter);
      }
    }
    return broadcast;
  }

  private static FirstBlock.Builder firstBlock(List<String> parameters) {
    FirstBlock.Builder first = FirstBlock.newBuilder();
    boolean hasThreshold = false;
    for (String parameter : parameters) {
      String value = parameter.substring(parameter.indexOf('=') + 1);
      switch (parameter.substring(0, parameter.length() - value.length())) {
        case "threshold=" -> {
          first.setThreshold(Double.parseDouble(value));
          hasThreshold = true;
        }
        case "refresh-every=" -> first.setRefreshEvery(Integer.parseInt(value));
        default -> throw new IllegalArgumentException(parameter);
      }
    }
    if (!hasThreshold) {
      throw new IllegalArgumentException("no threshold");
    }
    return first;
  }

  /** For options of commands. */
  static final class Converter implements ITypeConverter<StepCache> {
    @Override
    public StepCache convert(String value) {
      try {
        return parse(value);
      } catch (IllegalArgumentException e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }
}
