package dev.longtake.client.cli;

import dev.longtake.v1.WireFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** How people write wire formats: {@code stored}, {@code bf16}, {@code int8-rows}. */
final class WireFormats {
  private static final String PREFIX = "WIRE_FORMAT_";

  private WireFormats() {}

  /** The name; {@code stored} where none is given. */
  static String name(WireFormat format) {
    return switch (format) {
      case WIRE_FORMAT_UNSPECIFIED -> name(WireFormat.WIRE_FORMAT_STORED);
      case UNRECOGNIZED -> "unknown";
      default ->
          format.name().substring(PREFIX.length()).toLowerCase(Locale.ROOT).replace('_', '-');
    };
  }

  static boolean isLossy(WireFormat format) {
    return format != WireFormat.WIRE_FORMAT_UNSPECIFIED && format != WireFormat.WIRE_FORMAT_STORED;
  }

  /**
   * The format of a name.
   *
   * @throws IllegalArgumentException which names those that there are
   */
  static WireFormat parse(String value) {
    List<String> names = new ArrayList<>();
    for (WireFormat format : WireFormat.values()) {
      if (format != WireFormat.UNRECOGNIZED && format != WireFormat.WIRE_FORMAT_UNSPECIFIED) {
        if (name(format).equals(value)) {
          return format;
        }
        names.add(name(format));
      }
    }
    throw new IllegalArgumentException(
        "Expected a wire format of %s, but got '%s'".formatted(String.join(", ", names), value));
  }

  /** For options of commands. */
  static final class Converter implements ITypeConverter<WireFormat> {
    @Override
    public WireFormat convert(String value) {
      try {
        return parse(value);
      } catch (IllegalArgumentException e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }
}
