package dev.longtake.common.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.nio.file.Path;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** What every complaint about a checkpoint has: the code, one line, what was expected and what is there. */
final class Invalid {
  private Invalid() {}

  static AbstractThrowableAssert<?, ? extends Throwable> assertInvalid(ThrowingCallable call) {
    return assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            LongtakeException.class,
            e -> {
              assertThat(e.code()).isEqualTo(ErrorCode.INVALID_CHECKPOINT);
              assertThat(e.getMessage()).startsWith("Expected ").contains(", but ").hasLineCount(1);
            });
  }

  /** And it names the file. */
  static AbstractThrowableAssert<?, ? extends Throwable> assertInvalid(
      ThrowingCallable call, Path file) {
    return assertInvalid(call).hasMessageContaining(file.toString());
  }
}
