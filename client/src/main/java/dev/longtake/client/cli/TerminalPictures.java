package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClientException;

/** Shows pictures above a progress bar. */
final class TerminalPictures {
  private static final int MAX_COLUMNS = 48;

  /** A character is about twice as high as it is wide. */
  private static final double CHARACTER_ASPECT = 2;

  private static final int MAX_ROWS = 18;

  private final TerminalGraphics graphics;
  private final int terminalColumns;
  private int columns; // of all pictures of a job, which have one size
  private int rows;

  TerminalPictures(TerminalGraphics graphics, int terminalColumns) {
    this.graphics = graphics;
    this.terminalColumns = terminalColumns;
  }

  /**
   * On the terminal that standard error is.
   *
   * @throws LongtakeClientException INVALID_REQUEST when it is none, or shows no pictures
   */
  static TerminalPictures onStandardError() {
    return new TerminalPictures(
        TerminalGraphics.ofStandardError()
            .orElseThrow(() ->
                new LongtakeClientException(
                    LongtakeClientException.INVALID_REQUEST,
                    "Expected a terminal that shows pictures, for --show: kitty, Ghostty, iTerm2,"
                        + " WezTerm or one with COLORTERM=truecolor; use --preview FILE instead")),
        Integer.getInteger("longtake.columns", 80));
  }

  /** Draws a picture in place of the last one. */
  void show(byte[] png, ProgressBar progress) {
    if (rows == 0) {
      fit(PngSize.of(png));
    }
    progress.picture(graphics.sequence(png, columns, rows), rows);
  }

  /** As large as there is room, as high as it is wide in proportion. */
  private void fit(PngSize size) {
    double height = size.height() / (CHARACTER_ASPECT * size.width()); // rows of one column
    double width = Math.min(Math.min(MAX_COLUMNS, terminalColumns - 1), MAX_ROWS / height);
    columns = Math.max(1, (int) Math.round(width));
    rows = Math.max(1, (int) Math.round(width * height));
  }
}
