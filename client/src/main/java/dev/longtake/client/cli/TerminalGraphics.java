package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClientException;
import java.io.IOException;
import java.util.Base64;
import java.util.Map;
import java.util.Optional;

/** How a terminal shows a picture, told by its environment. */
enum TerminalGraphics {
  /** Kitty's graphics protocol (sw.kovidgoyal.net/kitty/graphics-protocol): PNG in pieces of 4096 characters. */
  KITTY,

  /** iTerm2's inline images (iterm2.com/documentation-images.html). */
  ITERM,

  /** Two pixels to a character: the upper one is its colour, the lower one its background. For any terminal with 24-bit colours. */
  BLOCKS;

  private static final char ESCAPE = '\u001b';
  private static final char BELL = '\u0007';
  private static final int KITTY_CHARACTERS = 4096;

  /** Of the terminal that standard error is; empty when it is none, or shows no pictures. */
  static Optional<TerminalGraphics> ofStandardError() {
    return of(Boolean.getBoolean("longtake.terminal"), System.getenv());
  }

  static Optional<TerminalGraphics> of(boolean isTerminal, Map<String, String> environment) {
    String term = environment.getOrDefault("TERM", "");
    String program = environment.getOrDefault("TERM_PROGRAM", "");
    String colours = environment.getOrDefault("COLORTERM", "");
    if (!isTerminal || term.equals("dumb")) {
      return Optional.empty();
    }
    // A multiplexer keeps the protocols from the terminal, and draws characters itself.
    boolean isDirect = !environment.containsKey("TMUX") && !term.startsWith("screen");
    if (isDirect && (term.contains("kitty") || term.contains("ghostty"))) {
      return Optional.of(KITTY);
    }
    if (isDirect && (program.equals("iTerm.app") || program.equals("WezTerm"))) {
      return Optional.of(ITERM);
    }
    return colours.equals("truecolor") || colours.equals("24bit")
        ? Optional.of(BLOCKS)
        : Optional.empty();
  }

  /**
   * What the terminal is sent; the cursor may be anywhere afterwards.
   *
   * @param columns the picture's width in characters
   * @param rows its height
   * @throws LongtakeClientException INTERNAL when the bytes are no picture
   */
  String sequence(byte[] png, int columns, int rows) {
    return switch (this) {
      case KITTY -> kitty(Base64.getEncoder().encodeToString(png), columns, rows);
      case ITERM ->
          "%s]1337;File=inline=1;size=%d;width=%d;height=%d;preserveAspectRatio=0:%s%s"
              .formatted(
                  ESCAPE, png.length, columns, rows, Base64.getEncoder().encodeToString(png), BELL);
      case BLOCKS -> {
        try {
          yield BlockPicture.of(png, columns, rows);
        } catch (IOException e) {
          throw new LongtakeClientException(
              LongtakeClientException.INTERNAL,
              "Expected a PNG as preview, but got %d bytes that are none".formatted(png.length));
        }
      }
    };
  }

  /** One placement of one picture, so that the next one takes its place; the terminal answers nothing. */
  private static String kitty(String base64, int columns, int rows) {
    StringBuilder all = new StringBuilder();
    for (int from = 0; from < base64.length(); from += KITTY_CHARACTERS) {
      int to = Math.min(base64.length(), from + KITTY_CHARACTERS);
      String first =
          from == 0 ? "a=T,f=100,i=1,p=1,q=2,C=1,c=%d,r=%d,".formatted(columns, rows) : "";
      all.append(ESCAPE)
          .append("_G%sm=%d;".formatted(first, to < base64.length() ? 1 : 0))
          .append(base64, from, to)
          .append(ESCAPE)
          .append('\\');
    }
    return all.toString();
  }
}
