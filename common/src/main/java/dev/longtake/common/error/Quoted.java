package dev.longtake.common.error;

import org.jspecify.annotations.Nullable;

/** Foreign text inside an error message, which must stay one short line whatever a file or a request holds. */
public final class Quoted {
  private static final int MAX_CHARS = 120;

  private Quoted() {}

  /** In double quotes; control characters and lone surrogates as {@code \\uXXXX}, cut after 120 characters. */
  public static String of(CharSequence text) {
    StringBuilder quoted = new StringBuilder("\"");
    append(quoted, text);
    return quoted.append('"').toString();
  }

  /** The same without the quotes: for messages of libraries, which may be null. */
  public static String line(@Nullable CharSequence text) {
    StringBuilder line = new StringBuilder();
    append(line, text == null ? "no reason given" : text);
    return line.toString();
  }

  private static void append(StringBuilder to, CharSequence text) {
    int end = Math.min(text.length(), MAX_CHARS);
    if (end < text.length() && Character.isHighSurrogate(text.charAt(end - 1))) {
      end--;
    }
    text.subSequence(0, end).codePoints().forEach(c -> appendVisible(to, c));
    if (end < text.length()) {
      to.append('…');
    }
  }

  private static void appendVisible(StringBuilder to, int codePoint) {
    switch (Character.getType(codePoint)) {
      case Character.CONTROL,
          Character.SURROGATE,
          Character.FORMAT,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.UNASSIGNED ->
          to.append(String.format("\\u%04x", codePoint));
      default -> to.appendCodePoint(codePoint);
    }
  }
}
