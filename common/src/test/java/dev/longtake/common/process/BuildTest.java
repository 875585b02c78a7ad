package dev.longtake.common.process;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BuildTest {
  @Test
  void shouldNameVersionAndContracts() {
    assertThat(Build.version()).matches("\\d+\\.\\d+\\.\\d+(-SNAPSHOT)?");
    assertThat(Build.id()).matches("\\Q" + Build.version() + "\\E\\+[0-9a-f]{8}");
    assertThat(Build.id()).isEqualTo(Build.id());
  }
}
