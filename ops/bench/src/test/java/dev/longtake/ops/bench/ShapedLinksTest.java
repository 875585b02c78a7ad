package dev.longtake.ops.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class ShapedLinksTest {
  private static ShapedLinks links() {
    try {
      return ShapedLinks.create();
    } catch (ShapedLinks.UnavailableException e) {
      return abort("no shaped links here: " + e.getMessage());
    }
  }

  @Test
  void shouldLeadToThePeerOverTheShapedLinkAndToTheHubBesideIt() throws Exception {
    try (ShapedLinks links = links()) {
      links.shape(1e9);
      assertThat(links.discipline()).isIn("netem", "tbf");
      for (int side = 0; side < 2; side++) {
        assertThat(within(links, side, "ip", "route", "get", links.address(1 - side)))
            .contains("dev peer")
            .contains("src " + links.address(side));
        assertThat(within(links, side, "ip", "route", "get", links.hubAddress()))
            .contains("dev hub")
            .contains("src " + links.address(side));
        assertThat(within(links, side, "tc", "qdisc", "show", "dev", "peer"))
            .contains(links.discipline())
            .contains("rate 1Gbit");
        assertThat(within(links, side, "tc", "qdisc", "show", "dev", "hub"))
            .doesNotContain(links.discipline());
      }
      links.shape(10e9);
      assertThat(within(links, 1, "tc", "qdisc", "show", "dev", "peer")).contains("10Gbit");
    }
  }

  @Test
  void shouldLeaveNothingBehindWhenClosed() throws Exception {
    List<String> launcher;
    try (ShapedLinks links = links()) {
      launcher = links.launcher(0);
      assertThat(output("ip", "netns", "list")).contains(launcher.getLast());
    }
    String mine = "ltb" + ProcessHandle.current().pid();
    assertThat(launcher.getLast()).startsWith(mine);
    assertThat(output("ip", "netns", "list")).doesNotContain(mine);
    assertThat(output("ip", "-o", "link", "show")).doesNotContain(mine);
    assertThat(output("ip", "route")).doesNotContain(mine);
  }

  private static String within(ShapedLinks links, int side, String... command)
      throws IOException, InterruptedException {
    List<String> line = new ArrayList<>(links.launcher(side));
    line.addAll(List.of(command));
    return output(line.toArray(String[]::new));
  }

  private static String output(String... command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).as(output).isZero();
    return output;
  }
}
