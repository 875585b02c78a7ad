package dev.longtake.worker.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Fails a class of tests when buffers were leaked in this process until its end. */
final class NoLeaks implements AfterAllCallback {
  @Override
  public void afterAll(ExtensionContext context) {
    assertThat(LeakRecorder.collect()).as("leaked buffers").isEmpty();
  }
}
