package dev.longtake.ops.bench.quality;

import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longtake compare}: how much a video differs from the exact one. */
@Command(
    name = "compare",
    mixinStandardHelpOptions = true,
    description = {
      "Compares two videos of one size and length: peak signal-to-noise ratio, structural",
      "similarity (window of 11 x 11 pixels) and the largest error of a frame."
    },
    footer = {
      "",
      "Exit status: 0 compared, whatever the difference; 2 a file is no video, or they differ in"
          + " size or length."
    })
public final class CompareCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();

  @Parameters(index = "0", paramLabel = "A", description = "A video: MP4, MOV or WebM.")
  private Path one = Path.of("");

  @Parameters(index = "1", paramLabel = "B", description = "The one that it is compared with.")
  private Path other = Path.of("");

  @Option(names = "--json", description = "Print JSON.")
  private boolean isJson;

  @Override
  public Integer call() {
    VideoDifference difference = VideoDifference.of(one, other);
    spec.commandLine().getOut().print(isJson ? json(difference) : text(difference));
    spec.commandLine().getOut().flush();
    return ExitCode.OK;
  }

  private static String text(VideoDifference difference) {
    return String.format(
        Locale.ROOT,
        "frames  %d%nPSNR    %s%nSSIM    %.4f%nerror   %.3f of 255 in frame %d, the mean of the"
            + " frame that differs most; %d in a single value%n",
        difference.frames(),
        Double.isInfinite(difference.psnrDb())
            ? "infinite: the videos are equal"
            : String.format(Locale.ROOT, "%.2f dB", difference.psnrDb()),
        difference.ssim(),
        difference.largestFrameError(),
        difference.largestErrorFrame(),
        difference.largestPixelError());
  }

  /** JSON has no infinity: equal videos have no {@code psnr_db}. */
  private static String json(VideoDifference difference) {
    var json = new JsonObject();
    json.addProperty("frames", difference.frames());
    json.addProperty("equal", Double.isInfinite(difference.psnrDb()));
    if (!Double.isInfinite(difference.psnrDb())) {
      json.addProperty("psnr_db", difference.psnrDb());
    }
    json.addProperty("ssim", difference.ssim());
    json.addProperty("largest_frame_error", difference.largestFrameError());
    json.addProperty("largest_error_frame", difference.largestErrorFrame());
    json.addProperty("largest_pixel_error", difference.largestPixelError());
    return new GsonBuilder().setPrettyPrinting().create().toJson(json) + "\n";
  }
}
