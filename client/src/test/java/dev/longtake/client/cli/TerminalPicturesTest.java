package dev.longtake.client.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.client.LongtakeClientException;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Base64;
import java.util.Map;
import java.util.Random;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;

class TerminalPicturesTest {
  private static final String ESCAPE = "\u001b";

  private final StringWriter written = new StringWriter();
  private final ProgressBar progress =
      new ProgressBar(new PrintWriter(written), true, 80, System::nanoTime);

  /** Of one colour above and another below. */
  private static byte[] png(int width, int height, int above, int below) throws IOException {
    var picture = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        picture.setRGB(x, y, y < height / 2 ? above : below);
      }
    }
    return bytes(picture);
  }

  private static byte[] bytes(BufferedImage picture) throws IOException {
    var bytes = new ByteArrayOutputStream();
    ImageIO.write(picture, "png", bytes);
    return bytes.toByteArray();
  }

  /** Too varied to be small. */
  private static byte[] noise(int size) throws IOException {
    var picture = new BufferedImage(size, size, BufferedImage.TYPE_INT_RGB);
    Random random = new Random(1);
    for (int i = 0; i < size * size; i++) {
      picture.setRGB(i % size, i / size, random.nextInt());
    }
    return bytes(picture);
  }

  @Test
  void shouldKnowTheTerminalByItsEnvironment() {
    assertThat(TerminalGraphics.of(true, Map.of("TERM", "xterm-kitty")))
        .contains(TerminalGraphics.KITTY);
    assertThat(TerminalGraphics.of(true, Map.of("TERM", "xterm-ghostty")))
        .contains(TerminalGraphics.KITTY);
    assertThat(TerminalGraphics.of(true, Map.of("TERM_PROGRAM", "iTerm.app")))
        .contains(TerminalGraphics.ITERM);
    assertThat(TerminalGraphics.of(true, Map.of("TERM", "xterm", "COLORTERM", "truecolor")))
        .contains(TerminalGraphics.BLOCKS);
    assertThat(
            TerminalGraphics.of(
                true, Map.of("TERM", "xterm-kitty", "TMUX", "/tmp/t", "COLORTERM", "24bit")))
        .contains(TerminalGraphics.BLOCKS);
    assertThat(TerminalGraphics.of(true, Map.of("TERM", "xterm-256color"))).isEmpty();
    assertThat(TerminalGraphics.of(true, Map.of("TERM", "dumb", "COLORTERM", "24bit"))).isEmpty();
    assertThat(TerminalGraphics.of(false, Map.of("TERM", "xterm-kitty"))).isEmpty();
  }

  @Test
  void shouldSendTheWholePictureInPiecesWhenTheTerminalIsKitty() throws IOException {
    byte[] png = noise(64);
    String sequence = TerminalGraphics.KITTY.sequence(png, 20, 10);
    var pieces =
        Pattern.compile(ESCAPE + "_G([^;]*);([^" + ESCAPE + "]*)" + ESCAPE + "\\\\")
            .matcher(sequence)
            .results()
            .toList();
    assertThat(pieces.stream().map(piece -> piece.group(2).length()))
        .hasSizeGreaterThan(2)
        .allMatch(length -> length <= 4096);
    assertThat(pieces.get(0).group(1)).isEqualTo("a=T,f=100,i=1,p=1,q=2,C=1,c=20,r=10,m=1");
    assertThat(pieces.get(1).group(1)).isEqualTo("m=1");
    assertThat(pieces.get(pieces.size() - 1).group(1)).isEqualTo("m=0");
    String base64 = pieces.stream().map(piece -> piece.group(2)).collect(Collectors.joining());
    assertThat(Base64.getDecoder().decode(base64)).isEqualTo(png);
    assertThat(pieces.stream().map(MatchResult::group).collect(Collectors.joining()))
        .as("nothing between")
        .isEqualTo(sequence);
  }

  @Test
  void shouldSendTheWholePictureWhenTheTerminalIsIterm() throws IOException {
    byte[] png = png(8, 8, 0xff0000, 0x0000ff);
    assertThat(TerminalGraphics.ITERM.sequence(png, 4, 2))
        .isEqualTo(
            "%s]1337;File=inline=1;size=%d;width=4;height=2;preserveAspectRatio=0:%s\u0007"
                .formatted(ESCAPE, png.length, Base64.getEncoder().encodeToString(png)));
  }

  @Test
  void shouldGiveEachCharacterTwoPixelsWhenTheTerminalHasColours() throws IOException {
    assertThat(TerminalGraphics.BLOCKS.sequence(png(2, 2, 0x010203, 0xfefdfc), 2, 1))
        .isEqualTo(
            "%1$s[38;2;1;2;3m%1$s[48;2;254;253;252m\u2580".formatted(ESCAPE).repeat(2)
                + ESCAPE
                + "[0m\n");
  }

  @Test
  void shouldKeepTheBarBelowAndDrawInPlaceWhenPicturesFollow() throws IOException {
    progress.phase("running");
    var pictures = new TerminalPictures(TerminalGraphics.ITERM, 80);
    byte[] png = png(64, 32, 0, 0xffffff);
    int before = written.toString().length();
    pictures.show(png, progress);
    // 48 columns, a quarter of that in lines.
    String first = written.toString().substring(before);
    assertThat(first)
        .startsWith("\r" + ESCAPE + "[K" + "\n".repeat(12) + ESCAPE + "[12A" + ESCAPE + "7")
        .contains("width=48;height=12")
        .endsWith(ESCAPE + "8" + ESCAPE + "[12B\r\rrunning ...");
    int between = written.toString().length();
    pictures.show(png, progress);
    assertThat(written.toString().substring(between))
        .startsWith("\r" + ESCAPE + "[K" + ESCAPE + "[12A" + ESCAPE + "7")
        .endsWith("running ...");
  }

  @Test
  void shouldFitTheTerminalWhenThePictureIsHighOrTheTerminalNarrow() throws IOException {
    new TerminalPictures(TerminalGraphics.ITERM, 80).show(png(32, 64, 0, 0), progress);
    assertThat(written.toString()).contains("width=18;height=18");
    new TerminalPictures(TerminalGraphics.ITERM, 21).show(png(64, 64, 0, 0), progress);
    assertThat(written.toString()).contains("width=20;height=10");
  }

  @Test
  void shouldSayWhatIsNeededWhenThereIsNoSuchTerminal() {
    assertThatThrownBy(TerminalPictures::onStandardError)
        .isInstanceOf(LongtakeClientException.class)
        .hasMessageStartingWith("Expected a terminal that shows pictures, for --show: kitty");
    assertThatThrownBy(() -> PngSize.of(new byte[30]))
        .hasMessage("Expected a PNG as preview, but got 30 bytes that are none");
  }
}
