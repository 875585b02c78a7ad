package dev.longtake.common.options;

/**
 * A value of an option that was not given as a flag.
 *
 * @param source where it is from, for messages: {@code "worker.yaml, line 3"}, or the name of a variable
 */
record Setting(String value, String source) {}
