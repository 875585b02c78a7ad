package dev.longtake.common.process;

import picocli.CommandLine.Option;

/** How a server logs, for picocli's {@code @Mixin}. */
public final class LogOptions {
  /** What a line of the log is. */
  public enum Format {
    text,
    json
  }

  @Option(
      names = "--log-format",
      paramLabel = "FORMAT",
      defaultValue = "text",
      description =
          "Lines for people, or a JSON object a line: ${COMPLETION-CANDIDATES} (default:"
              + " ${DEFAULT-VALUE}).")
  private Format format = Format.text;

  @Option(
      names = "--log-prompts",
      description = "Let the log show what users ask for (default: no prompt is logged).")
  private boolean logPrompts;

  /** Logs as asked from now on. */
  public void apply() {
    Logs.configure(format, logPrompts);
  }
}
