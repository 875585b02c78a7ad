package dev.longtake.ops.model;

import dev.longtake.common.options.ByteSize;
import dev.longtake.common.tensor.DType;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longtake make-model}. */
@Command(
    name = "make-model",
    mixinStandardHelpOptions = true,
    description =
        "Write a diffusion transformer with random weights as sharded safetensors: for"
            + " measurements, its videos are noise.")
public final class MakeModelCommand implements Callable<Integer> {
  /** Types a checkpoint may have. */
  enum Type {
    f32(DType.F32),
    bf16(DType.BF16);

    private final DType dtype;

    Type(DType dtype) {
      this.dtype = dtype;
    }
  }

  @Spec private @Nullable CommandSpec spec;

  @Parameters(paramLabel = "DIR", description = "The folder to write to; made if it is not there.")
  private Path folder = Path.of("");

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description =
          "A config.json of any architecture (default: that of Open-Sora 1.2, 1.1 billion"
              + " parameters).")
  private @Nullable Path config;

  @Option(
      names = "--dtype",
      defaultValue = "f32",
      description = "${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private Type type = Type.f32;

  @Option(
      names = "--shard-bytes",
      paramLabel = "SIZE",
      defaultValue = "1G",
      converter = ByteSize.Converter.class,
      description = "Weights in one file, such as 512M (default: ${DEFAULT-VALUE}).")
  private ByteSize shardBytes = new ByteSize(RandomModel.SHARD_BYTES);

  @Option(
      names = "--seed",
      defaultValue = "1",
      description = "Of the random weights (default: ${DEFAULT-VALUE}).")
  private long seed = 1;

  @Override
  public Integer call() {
    if (spec == null) {
      throw new IllegalStateException("The command runs through picocli only");
    }
    RandomModel model = config == null ? RandomModel.stdit3Full() : RandomModel.read(config);
    long bytes = model.write(folder, type.dtype, Math.max(1, shardBytes.bytes()), seed);
    PrintWriter out = spec.commandLine().getOut();
    out.print(
        String.format(
            Locale.ROOT,
            "%s: %s, %d parameters, %d bytes in %s%n",
            folder,
            model.program().model().architecture(),
            model.parameters(),
            bytes,
            type));
    out.flush();
    return 0;
  }
}
