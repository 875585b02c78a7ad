package dev.longtake.ops.bench;

import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import java.util.List;
import java.util.Locale;

/**
 * A benchmark's figures for people and for scripts.
 *
 * @param notes sentences that no figure can say
 */
record Report(String bench, Machine machine, List<Figure> figures, List<String> notes) {
  Report {
    figures = List.copyOf(figures);
    notes = List.copyOf(notes);
  }

  /** A table; ends with a line break. */
  String text() {
    var text = new StringBuilder();
    text.append(
        String.format(
            Locale.ROOT,
            "%s on %s, %d cores, %.1f GiB, %s, Java %s%n",
            bench,
            machine.cpu(),
            machine.cores(),
            machine.memoryBytes() / (double) (1L << 30),
            machine.os(),
            machine.java()));
    int width = figures.stream().mapToInt(figure -> figure.name().length()).max().orElse(0);
    for (Figure figure : figures) {
      text.append(
          String.format(
              Locale.ROOT,
              "%-" + Math.max(1, width) + "s  %15s %-12s %-18s %s%n",
              figure.name(),
              number(figure.value()),
              figure.unit(),
              goalText(figure.goal()),
              metText(figure)));
    }
    notes.forEach(note -> text.append(note).append(System.lineSeparator()));
    return text.toString();
  }

  private static String goalText(Goal goal) {
    return switch (goal) {
      case Goal.AtMost(double limit) -> "goal <= " + number(limit);
      case Goal.AtLeast(double limit) -> "goal >= " + number(limit);
      case Goal.None() -> "no goal";
    };
  }

  private static String metText(Figure figure) {
    if (figure.goal() instanceof Goal.None) {
      return "";
    }
    return figure.met() ? "met" : "NOT MET";
  }

  private static String number(double value) {
    if (Double.isNaN(value)) {
      return "not measured";
    }
    return value == Math.rint(value) && Math.abs(value) < 1e15
        ? Long.toString((long) value)
        : String.format(Locale.ROOT, "%.3f", value);
  }

  /**
   * {@code {"bench", "machine": {"os", "cpu", "cores", "memory_bytes", "java"}, "figures": [{"name", "value", "unit",
   * "goal", "met"}], "notes": [sentences]}}, where a goal is {@code {"at_most": x}}, {@code {"at_least": x}} or null, and {@code met} is null
   * without a goal; a value that can't be measured on this machine is null, and its goal is not met.
   */
  String json() {
    var json = new JsonObject();
    json.addProperty("bench", bench);
    var where = new JsonObject();
    where.addProperty("os", machine.os());
    where.addProperty("cpu", machine.cpu());
    where.addProperty("cores", machine.cores());
    where.addProperty("memory_bytes", machine.memoryBytes());
    where.addProperty("java", machine.java());
    json.add("machine", where);
    var array = new JsonArray();
    for (Figure figure : figures) {
      var object = new JsonObject();
      object.addProperty("name", figure.name());
      if (Double.isNaN(figure.value())) {
        object.add("value", JsonNull.INSTANCE);
      } else {
        object.addProperty("value", figure.value());
      }
      object.addProperty("unit", figure.unit());
      object.add("goal", goalJson(figure.goal()));
      if (figure.goal() instanceof Goal.None) {
        object.add("met", JsonNull.INSTANCE);
      } else {
        object.addProperty("met", figure.met());
      }
      array.add(object);
    }
    json.add("figures", array);
    var sentences = new JsonArray();
    notes.forEach(sentences::add);
    json.add("notes", sentences);
    return new GsonBuilder()
            .serializeNulls()
            .setPrettyPrinting()
            .disableHtmlEscaping()
            .create()
            .toJson(json)
        + "\n";
  }

  private static JsonElement goalJson(Goal goal) {
    return switch (goal) {
      case Goal.AtMost(double limit) -> limit("at_most", limit);
      case Goal.AtLeast(double limit) -> limit("at_least", limit);
      case Goal.None() -> JsonNull.INSTANCE;
    };
  }

  private static JsonObject limit(String relation, double limit) {
    var json = new JsonObject();
    json.addProperty(relation, limit);
    return json;
  }
}
