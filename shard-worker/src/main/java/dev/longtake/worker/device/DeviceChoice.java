package dev.longtake.worker.device;

import dev.longtake.common.error.LongtakeException;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Which device a worker computes with, as its user says it; the text of each is one that {@link #parse} takes. */
public sealed interface DeviceChoice {
  /** What {@link #parse} takes, for help and errors. */
  String FORMS = "cpu, cuda, cuda:INDEX or cuda:UUID";

  /** The processor. */
  record Cpu() implements DeviceChoice {
    @Override
    public String toString() {
      return "cpu";
    }
  }

  /** A GPU. */
  sealed interface Cuda extends DeviceChoice {}

  /**
   * A GPU by its number.
   *
   * @param index as CUDA counts them, from 0; {@code CUDA_VISIBLE_DEVICES} and {@code CUDA_DEVICE_ORDER} apply
   */
  record CudaIndex(int index) implements Cuda {
    @Override
    public String toString() {
      return "cuda:" + index;
    }
  }

  /**
   * A GPU by its name that is never another's.
   *
   * @param uuid 32 hexadecimal digits in five groups, in lower case
   */
  record CudaUuid(String uuid) implements Cuda {
    @Override
    public String toString() {
      return "cuda:GPU-" + uuid;
    }
  }

  /**
   * Reads {@value #FORMS}; UUIDs as nvidia-smi prints them, with or without {@code GPU-} in front.
   *
   * @throws LongtakeException INVALID_REQUEST
   */
  static DeviceChoice parse(String text) {
    Matcher form = Forms.ALL.matcher(text.toLowerCase(Locale.ROOT));
    if (!form.matches()) {
      throw LongtakeException.invalidField(
          "--device",
          "Expected --device to be %s, but got '%s'; 'nvidia-smi -L' lists GPUs with their UUIDs"
              .formatted(FORMS, text));
    }
    String index = form.group("index");
    String uuid = form.group("uuid");
    if (uuid != null) {
      return new CudaUuid(uuid);
    }
    if (index != null) {
      return new CudaIndex(Integer.parseInt(index));
    }
    return text.equalsIgnoreCase("cpu") ? new Cpu() : new CudaIndex(0);
  }

  /** The grammar. */
  final class Forms {
    private static final Pattern ALL =
        Pattern.compile(
            "cpu|cuda(:((?<index>\\d{1,4})|(gpu-)?(?<uuid>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})))?");

    private Forms() {}
  }
}
