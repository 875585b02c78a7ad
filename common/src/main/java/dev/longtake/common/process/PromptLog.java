package dev.longtake.common.process;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What users ask for: the only place where a prompt gets into a log, and it is off unless asked for. */
public final class PromptLog {
  static final String NAME = "dev.longtake.prompts";

  private static final Logger LOG = LoggerFactory.getLogger(NAME);

  private PromptLog() {}

  /** A job was submitted. */
  public static void submitted(String jobId, String prompt) {
    LOG.info("Job {}: '{}'", jobId, prompt);
  }
}
