package dev.longtake.common.options;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A number of bytes as people write it: {@code 8G}, {@code 512M}, {@code 64K}, {@code 4096}; powers of 1024. */
public record ByteSize(long bytes) {
  private static final Pattern FORM = Pattern.compile("(\\d{1,15})([KMGT]?)(I?B)?");

  /** For picocli. */
  public static final class Converter implements ITypeConverter<ByteSize> {
    @Override
    public ByteSize convert(String value) {
      Matcher match = FORM.matcher(value.toUpperCase(Locale.ROOT));
      if (match.matches()) {
        int shift = 10 * " KMGT".indexOf((match.group(2) + " ").charAt(0));
        try {
          return new ByteSize(Math.multiplyExact(Long.parseLong(match.group(1)), 1L << shift));
        } catch (ArithmeticException e) {
          // Falls through: larger than any memory.
        }
      }
      throw new TypeConversionException(
          "Expected a number of bytes such as 512M or 8G, but got '" + value + "'");
    }
  }
}
