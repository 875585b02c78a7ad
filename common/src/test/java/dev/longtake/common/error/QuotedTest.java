package dev.longtake.common.error;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class QuotedTest {
  @Test
  void shouldStayOneLineWhenTextHasControlCharacters() {
    assertThat(Quoted.of("a\nb\u2028c\u202Ed\u0000é\uD83D\uDE80"))
        .isEqualTo("\"a\\u000ab\\u2028c\\u202ed\\u0000é\uD83D\uDE80\"");
    assertThat(Quoted.of("x\uD83D")).isEqualTo("\"x\\ud83d\"");
    assertThat(Quoted.line(null)).isEqualTo("no reason given");
  }

  @Test
  void shouldCutBetweenCharactersWhenTextIsLong() {
    assertThat(Quoted.line("a".repeat(120))).isEqualTo("a".repeat(120));
    assertThat(Quoted.line("a".repeat(121))).isEqualTo("a".repeat(120) + "…");
    assertThat(Quoted.line("a".repeat(119) + "\uD83D\uDE80")).isEqualTo("a".repeat(119) + "…");
  }
}
