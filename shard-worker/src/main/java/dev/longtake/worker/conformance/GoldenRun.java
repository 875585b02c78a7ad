package dev.longtake.worker.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.longtake.common.checkpoint.SafetensorsFile;
import dev.longtake.common.checkpoint.TensorInfo;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** One run of a case: its scalars, inputs and reference outputs. Values are read as doubles, exactly. */
final class GoldenRun {
  private final Path folder;
  private final String name;
  private final JsonObject description;
  private final SafetensorsFile inputs;
  private final SafetensorsFile outputs;

  GoldenRun(
      Path folder,
      String name,
      JsonObject description,
      SafetensorsFile inputs,
      SafetensorsFile outputs) {
    this.folder = folder;
    this.name = name;
    this.description = description;
    this.inputs = inputs;
    this.outputs = outputs;
  }

  /** A tensor with its values. */
  record Values(List<Long> shape, double[] values) {
    float[] floats() {
      float[] floats = new float[values.length];
      for (int i = 0; i < floats.length; i++) {
        floats[i] = (float) values[i];
      }
      return floats;
    }

    int size(int axis) {
      return Math.toIntExact(shape.get(axis));
    }
  }

  String name() {
    return name;
  }

  boolean hasInput(String tensor) {
    return inputs.info(name + "/" + tensor).isPresent();
  }

  Values input(String tensor) {
    return read(inputs, name + "/" + tensor);
  }

  Values output(String tensor) {
    return read(outputs, name + "/" + tensor);
  }

  /** Names of the reference outputs, without the run's. */
  List<String> outputNames() {
    String prefix = name + "/";
    return outputs.names().stream()
        .filter(tensor -> tensor.startsWith(prefix))
        .map(tensor -> tensor.substring(prefix.length()))
        .toList();
  }

  private static Values read(SafetensorsFile file, String tensor) {
    TensorInfo info =
        file.info(tensor)
            .orElseThrow(() ->
                new LongtakeException(
                    ErrorCode.INVALID_CHECKPOINT,
                    "Expected a tensor '%s' in %s, but there is none"
                        .formatted(tensor, file.location())));
    MemorySegment bytes = file.bytes(tensor);
    int count = Math.toIntExact(bytes.byteSize() / info.dtype().sizeBytes());
    double[] values = new double[count];
    for (int i = 0; i < count; i++) {
      values[i] =
          switch (info.dtype()) {
            case F64 -> bytes.get(ValueLayout.JAVA_DOUBLE_UNALIGNED, 8L * i);
            case F32 -> bytes.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * i);
            case I64 -> bytes.get(ValueLayout.JAVA_LONG_UNALIGNED, 8L * i);
            case I32 -> bytes.get(ValueLayout.JAVA_INT_UNALIGNED, 4L * i);
            case U8, BOOL -> Byte.toUnsignedInt(bytes.get(ValueLayout.JAVA_BYTE, i));
            case F16, BF16, I16, I8 ->
                throw new LongtakeException(
                    ErrorCode.INVALID_CHECKPOINT,
                    "Expected tensor '%s' in %s to be F64, F32, I64, I32 or BOOL, but it is %s"
                        .formatted(tensor, file.location(), info.dtype()));
          };
    }
    return new Values(info.shape(), values);
  }

  Optional<Double> number(String scalar) {
    return scalar(scalar).map(JsonElement::getAsDouble);
  }

  boolean flag(String scalar) {
    return scalar(scalar).map(JsonElement::getAsBoolean).orElse(false);
  }

  double requireNumber(String scalar) {
    return number(scalar)
        .orElseThrow(() ->
            new LongtakeException(
                ErrorCode.INVALID_MODEL,
                "Expected a scalar '%s' for run '%s' in the manifest of %s, but there is none"
                    .formatted(scalar, name, folder)));
  }

  /** What the run changes in the case's configuration: fields, and the class it names. */
  JsonObject override(JsonObject config) {
    JsonObject changed = config.deepCopy();
    scalar("config_override")
        .ifPresent(fields ->
            fields
                .getAsJsonObject()
                .entrySet()
                .forEach(field -> changed.add(field.getKey(), field.getValue())));
    JsonElement source = description.get("source");
    if (source != null && source.isJsonObject() && source.getAsJsonObject().has("class")) {
      changed.add("source", source.deepCopy());
    }
    return changed;
  }

  private Optional<JsonElement> scalar(String key) {
    JsonElement scalars = description.get("scalars");
    return scalars == null || !scalars.isJsonObject()
        ? Optional.empty()
        : Optional.ofNullable(scalars.getAsJsonObject().get(key));
  }
}
