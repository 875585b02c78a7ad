package dev.longtake.client.cli;

import dev.longtake.v1.JobEvent;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.util.function.LongSupplier;

/**
 * A job's progress on one line: a bar, the step, the time passed and left, the plan in use. On a terminal the line is
 * redrawn in place; elsewhere (a file, a pipe) a line is printed each tenth of the way. Thread-safe.
 */
public final class ProgressBar {
  private static final int BAR_CHARACTERS = 24;
  private static final int LINES_WITHOUT_TERMINAL = 10;

  /** Begins what a terminal does (ECMA-48). */
  private static final char ESCAPE = '\u001b';

  private final PrintWriter out;
  private final boolean isTerminal;
  private final int columns;
  private final LongSupplier nanoTime;
  private final long startNanos;
  private String plan = "";
  private String lastPhase = "";
  private int lastTenth;
  private int segments = 1;
  private int drawnCharacters;
  private String drawn = "";
  private int pictureRows;

  /**
   * A bar that shows nothing yet; time counts from now.
   *
   * @param isTerminal whether {@code out} understands a carriage return
   * @param columns the terminal's width in characters
   * @param nanoTime a clock as {@link System#nanoTime()}
   */
  public ProgressBar(PrintWriter out, boolean isTerminal, int columns, LongSupplier nanoTime) {
    this.out = out;
    this.isTerminal = isTerminal;
    this.columns = columns;
    this.nanoTime = nanoTime;
    this.startNanos = nanoTime.getAsLong();
  }

  /**
   * A bar on standard error, so that standard output stays free for results. The launcher script says through the system
   * properties {@code longtake.terminal} and {@code longtake.columns} what is there; Java can't tell for standard error.
   */
  public static ProgressBar onStandardError() {
    return new ProgressBar(
        new PrintWriter(System.err, true, Charset.defaultCharset()),
        Boolean.getBoolean("longtake.terminal"),
        Integer.getInteger("longtake.columns", 80),
        System::nanoTime);
  }

  /** Shows what happens before or after the steps, for example {@code "starting 2 workers"}. */
  public synchronized void phase(String what) {
    if (!what.equals(lastPhase)) {
      lastPhase = what;
      if (isTerminal) {
        redraw(what + " ...");
      } else {
        printLine(what);
      }
    }
  }

  /** Shows what the event tells. */
  public synchronized void update(JobEvent event) {
    switch (event.getEventCase()) {
      case QUEUED -> {
        phase(queued(event.getQueued()));
      }
      case PLANNED -> {
        plan = Texts.plan(event.getPlanned().getPlan());
        phase("planned: " + plan);
      }
      case STEP_DONE -> {
        var step = event.getStepDone();
        String left =
            step.hasRemaining() ? Texts.clock(Texts.seconds(step.getRemaining())) + " left" : "";
        segments = Math.max(1, step.getSegments());
        int before = Math.max(0, step.getSegment() - 1) * step.getSteps();
        advance(
            segments > 1 ? "segment %d/%d, step".formatted(step.getSegment(), segments) : "step",
            before + step.getStep(),
            segments * step.getSteps(),
            left);
      }
      case FRAMES_DECODED -> {
        var frames = event.getFramesDecoded();
        // Those of a segment are soon done, and its steps go on.
        if (segments == 1) {
          advance("frame", frames.getDecoded(), frames.getFrames(), "");
        }
      }
      case SEGMENT_DONE -> {}
      case REQUEUED -> {
        var requeued = event.getRequeued();
        phase(
            "waits again with %d steps kept: %s"
                .formatted(requeued.getStepsDone(), requeued.getReason()));
      }
      case ENDED, EVENT_NOT_SET -> finish();
    }
  }

  private static String queued(JobEvent.Queued queued) {
    String place =
        queued.getPosition() == 0
            ? "queued"
            : "queued behind %d jobs".formatted(queued.getPosition());
    double seconds = Texts.seconds(queued.getStartsIn());
    return seconds > 0 ? "%s, starts in about %s".formatted(place, Texts.clock(seconds)) : place;
  }

  private void advance(String unit, int done, int all, String left) {
    int total = Math.max(1, all);
    int tenth = (int) ((long) done * LINES_WITHOUT_TERMINAL / total);
    String kind = segments > 1 ? "step" : unit;
    boolean isNewUnit = !kind.equals(lastPhase);
    lastPhase = kind;
    String elapsed = Texts.clock((nanoTime.getAsLong() - startNanos) / 1e9);
    String numbers =
        "%s %d/%d  %s%s%s"
            .formatted(
                unit,
                done,
                all,
                elapsed,
                left.isEmpty() ? "" : ", " + left,
                plan.isEmpty() ? "" : "  " + plan);
    if (isTerminal) {
      int filled = (int) Math.min(BAR_CHARACTERS, (long) done * BAR_CHARACTERS / total);
      redraw("[" + "#".repeat(filled) + ".".repeat(BAR_CHARACTERS - filled) + "] " + numbers);
    } else if (isNewUnit || tenth != lastTenth) {
      printLine(numbers);
    }
    lastTenth = tenth;
  }

  private void redraw(String line) {
    // The last column stays free: some terminals wrap as soon as it is written.
    String shown = line.length() < columns ? line : line.substring(0, Math.max(0, columns - 1));
    out.print("\r" + shown + " ".repeat(Math.max(0, drawnCharacters - shown.length())));
    out.flush();
    drawnCharacters = shown.length();
    drawn = line;
  }

  private void printLine(String line) {
    out.println(line);
    out.flush();
  }

  /**
   * Shows a picture above the bar, in place of the last one; for a terminal.
   *
   * @param sequence draws it from the cursor to the right and below, and may leave the cursor anywhere
   * @param rows its height in lines, the same for each picture
   */
  synchronized void picture(String sequence, int rows) {
    StringBuilder text = new StringBuilder("\r").append(ESCAPE).append("[K");
    if (pictureRows == 0) {
      // Scrolls, where the picture would end below the last line.
      text.append("\n".repeat(rows));
    }
    text.append("%s[%dA%s7".formatted(ESCAPE, rows, ESCAPE)).append(sequence);
    text.append("%s8%s[%dB\r".formatted(ESCAPE, ESCAPE, rows));
    out.print(text);
    pictureRows = rows;
    drawnCharacters = 0;
    redraw(drawn);
  }

  /** Ends the line, so that what is printed next starts on its own; harmless when called again. */
  public synchronized void finish() {
    if (drawnCharacters > 0) {
      out.println();
      out.flush();
      drawnCharacters = 0;
    }
  }
}
