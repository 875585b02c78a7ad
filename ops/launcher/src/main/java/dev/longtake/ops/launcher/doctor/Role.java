package dev.longtake.ops.launcher.doctor;

import dev.longtake.coordinator.CoordinatorCommand;
import dev.longtake.worker.WorkerMain;
import java.util.Arrays;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** What a host is to be. */
enum Role {
  COORDINATOR,
  WORKER;

  /** As the user says it; the name of its command, too. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** For picocli. */
  static final class Converter implements ITypeConverter<Role> {
    @Override
    public Role convert(String value) {
      return Arrays.stream(values())
          .filter(role -> role.toString().equals(value))
          .findFirst()
          .orElseThrow(() ->
              new TypeConversionException(
                  "Expected coordinator or worker, but got '%s'".formatted(value)));
    }
  }

  /** The command whose process it is. */
  CommandLine command() {
    return new CommandLine(
        switch (this) {
          case COORDINATOR -> new CoordinatorCommand();
          case WORKER -> WorkerMain.command();
        });
  }
}
