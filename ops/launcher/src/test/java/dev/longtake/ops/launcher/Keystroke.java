package dev.longtake.ops.launcher;

/** A key that is pressed, as the DevTools protocol names it. */
enum Keystroke {
  TAB("Tab", 9, ""),
  ENTER("Enter", 13, "\r"),
  ESCAPE("Escape", 27, ""),
  RIGHT("ArrowRight", 39, ""),
  DOWN("ArrowDown", 40, "");

  final String key;

  /** What systems know it by. */
  final int code;

  /** What it types. */
  final String text;

  Keystroke(String key, int code, String text) {
    this.key = key;
    this.code = code;
    this.text = text;
  }
}
