package dev.longtake.common.options;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.NearNames;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.MarkedYAMLException;
import org.yaml.snakeyaml.error.YAMLException;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeTuple;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;

/** A mapping of a YAML file whose values are checked as they are read; complaints name file, line, key, value and what is allowed. */
public final class YamlMap {
  private final String file;

  /** Of the mapping in the file, with a dot behind; empty for the whole. */
  private final String prefix;

  private final Node node;
  private final Map<String, Node> entries = new LinkedHashMap<>();

  private YamlMap(String file, String prefix, Node node) {
    this.file = file;
    this.prefix = prefix;
    this.node = node;
    if (!(node instanceof MappingNode mapping)) {
      throw invalid(
          node,
          "Expected %s to be keys with values, but got %s"
              .formatted(prefix.isEmpty() ? "the file" : name(prefix), shown(node)));
    }
    for (NodeTuple tuple : mapping.getValue()) {
      String key =
          tuple.getKeyNode() instanceof ScalarNode scalar
              ? scalar.getValue()
              : shown(tuple.getKeyNode());
      if (entries.put(key, tuple.getValueNode()) != null) {
        throw invalid(
            tuple.getKeyNode(),
            "Expected every key once, but %s is there twice".formatted(prefix + key));
      }
    }
  }

  /**
   * Reads a file.
   *
   * @param file its name, for complaints
   * @throws LongtakeException INVALID_REQUEST, as all methods, naming file and line
   */
  public static YamlMap read(String file, String text) {
    return readIfAny(file, text)
        .orElseThrow(() ->
            LongtakeException.invalidField(
                file, "Expected keys with values in %s, but it is empty".formatted(file)));
  }

  /** The same; empty for a file without keys, where comments may be. */
  public static Optional<YamlMap> readIfAny(String file, String text) {
    try {
      Node root =
          new Yaml(new SafeConstructor(new LoaderOptions()))
              .compose(new java.io.StringReader(text));
      return Optional.ofNullable(root).map(keys -> new YamlMap(file, "", keys));
    } catch (MarkedYAMLException e) {
      throw LongtakeException.invalidField(
          file,
          "Expected YAML in %s, but line %d is not: %s"
              .formatted(
                  file,
                  e.getProblemMark() == null ? 1 : e.getProblemMark().getLine() + 1,
                  e.getProblem()));
    } catch (YAMLException e) {
      throw LongtakeException.invalidField(
          file, "Expected YAML in %s, but it is not: %s".formatted(file, e.getMessage()));
    }
  }

  private static String name(String prefix) {
    return prefix.substring(0, prefix.length() - 1);
  }

  private static String shown(Node node) {
    return switch (node) {
      case ScalarNode scalar -> "'" + scalar.getValue() + "'";
      case SequenceNode _ -> "a list";
      case MappingNode _ -> "keys with values";
      default -> "something else";
    };
  }

  private LongtakeException invalid(Node at, String message) {
    return LongtakeException.invalidField(
        file, "%s (%s, line %d)".formatted(message, file, at.getStartMark().getLine() + 1));
  }

  /** A complaint about the value of a key. */
  public LongtakeException invalid(String key, String expected) {
    Node value = entries.getOrDefault(key, node);
    return invalid(
        value, "Expected %s%s to be %s, but got %s".formatted(prefix, key, expected, shown(value)));
  }

  /** Refuses every other key. */
  public YamlMap allow(String... keys) {
    Set<String> allowed = new java.util.LinkedHashSet<>(List.of(keys));
    for (Map.Entry<String, Node> entry : entries.entrySet()) {
      if (!allowed.contains(entry.getKey())) {
        List<String> near = NearNames.of(entry.getKey(), allowed);
        throw invalid(
            entry.getValue(),
            "Expected %s with the keys %s, but got the key '%s'%s"
                .formatted(
                    prefix.isEmpty() ? "a file" : name(prefix),
                    String.join(", ", allowed),
                    entry.getKey(),
                    near.isEmpty() ? "" : "; the nearest is '%s'".formatted(near.getFirst())));
      }
    }
    return this;
  }

  /** In the order of the file. */
  public List<String> keys() {
    return List.copyOf(entries.keySet());
  }

  /** Whether the key is there. */
  public boolean has(String key) {
    return entries.containsKey(key);
  }

  private Node require(String key) {
    Node found = entries.get(key);
    if (found == null) {
      throw invalid(node, "Expected the key %s%s, but it is missing".formatted(prefix, key));
    }
    return found;
  }

  /** Whether the value is a single word or number. */
  public boolean isText(String key) {
    return require(key) instanceof ScalarNode;
  }

  /** A single word or number. */
  public String text(String key) {
    if (require(key) instanceof ScalarNode scalar) {
      return scalar.getValue();
    }
    throw invalid(key, "a name");
  }

  /** A single word or number, or a list of them. */
  public List<String> texts(String key) {
    if (isText(key)) {
      return List.of(text(key));
    }
    if (!(require(key) instanceof SequenceNode list)) {
      throw invalid(key, "a name or a list of names");
    }
    List<String> texts = new ArrayList<>();
    for (Node item : list.getValue()) {
      if (!(item instanceof ScalarNode scalar)) {
        throw invalid(
            item,
            "Expected %s%s to be a list of names, but it has %s"
                .formatted(prefix, key, shown(item)));
      }
      texts.add(scalar.getValue());
    }
    return texts;
  }

  /** Where the value of a key is, for messages: {@code "access.yaml, line 3"}. */
  public String place(String key) {
    return "%s, line %d".formatted(file, require(key).getStartMark().getLine() + 1);
  }

  /** A whole number of 1 to a most. */
  public int count(String key, int most) {
    try {
      int value = Integer.parseInt(text(key));
      if (value >= 1 && value <= most) {
        return value;
      }
    } catch (NumberFormatException e) {
      // Said below.
    }
    throw invalid(key, "a whole number of 1 to %d".formatted(most));
  }

  /** A finite number larger than 0. */
  public double positive(String key) {
    double value = number(key);
    if (value > 0) {
      return value;
    }
    throw invalid(key, "a number larger than 0");
  }

  /** A finite number. */
  public double atLeastZero(String key) {
    double value = number(key);
    if (value >= 0) {
      return value;
    }
    throw invalid(key, "a number of at least 0");
  }

  /** NaN for what is no finite number. */
  private double number(String key) {
    try {
      double value = Double.parseDouble(text(key));
      return Double.isFinite(value) ? value : Double.NaN;
    } catch (NumberFormatException e) {
      return Double.NaN;
    }
  }

  /** A mapping within this one. */
  public YamlMap map(String key) {
    return new YamlMap(file, prefix + key + ".", require(key));
  }

  /** A list of at least one mapping. */
  public List<YamlMap> maps(String key) {
    if (!(require(key) instanceof SequenceNode list) || list.getValue().isEmpty()) {
      throw invalid(key, "a list of at least one entry");
    }
    List<YamlMap> maps = new ArrayList<>();
    for (Node item : list.getValue()) {
      maps.add(new YamlMap(file, "%s%s[%d].".formatted(prefix, key, maps.size()), item));
    }
    return maps;
  }
}
