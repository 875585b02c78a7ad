package dev.longtake.worker.conformance;

import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.ForwardRow;
import dev.longtake.v1.ForwardTask;
import dev.longtake.v1.RowCondition;
import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.order.ProtoTensors;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Runs of Open-Sora 2.0's MMDiT: packed tokens of 2 x 2 patches with their places, and text in front of them in the sequence. */
final class MmditGolden implements GoldenFamily {
  private static final int PATCH = 2;
  private static final int THIRDS = 3;
  private static final Pattern DOUBLE = Pattern.compile("(double_blocks\\.\\d+)\\.(img|txt)_(.+)");
  private static final Pattern SINGLE = Pattern.compile("single_blocks\\.(\\d+)\\.(.+)");

  private final GoldenRun run;
  private final Values tokens;
  private final PackedTokens packing;

  MmditGolden(GoldenRun run) {
    this.run = run;
    tokens = run.input("img");
    packing = PackedTokens.of(run.input("img_ids"), PATCH);
  }

  @Override
  public List<ForwardTask.Builder> tasks() {
    int rows = tokens.size(0);
    int channels = tokens.size(2) / (PATCH * PATCH);
    ForwardTask.Builder task =
        ForwardTask.newBuilder()
            .setGeometry(
                ClipGeometry.newBuilder()
                    .setLatentFrames(packing.frames())
                    .setLatentHeight(packing.height())
                    .setLatentWidth(packing.width())
                    .setPixelHeight(packing.height())
                    .setPixelWidth(packing.width()))
            .setLatents(
                ProtoTensors.of(
                    packing.unpack(tokens.floats(), rows, channels), shape(rows, channels)));
    if (run.hasInput("cond")) {
      int conditionChannels = channels + 1;
      task.setReferenceLatents(
          ProtoTensors.of(
              packing.unpack(run.input("cond").floats(), rows, conditionChannels),
              shape(rows, conditionChannels)));
    }
    float[] times = run.input("timesteps").floats();
    for (int row = 0; row < rows; row++) {
      task.addRows(
          ForwardRow.newBuilder()
              .setCondition(condition(row))
              .setTimestep(times[row])
              .setGuidance(
                  run.hasInput("guidance") ? (float) run.input("guidance").values()[row] : 0));
    }
    return List.of(task);
  }

  private List<Long> shape(int rows, int channels) {
    return List.of(
        (long) rows,
        (long) channels,
        (long) packing.frames(),
        (long) packing.height(),
        (long) packing.width());
  }

  private RowCondition condition(int row) {
    Values text = run.input("txt");
    Values pooled = run.input("y_vec");
    int length = text.size(1);
    int channels = text.size(2);
    return GoldenText.tokens(
            GoldenText.part(text, row * length * channels, length * channels), length, channels)
        .toBuilder()
        .setPooledText(
            ProtoTensors.of(
                GoldenText.part(pooled, row * pooled.size(1), pooled.size(1)),
                List.of((long) pooled.size(1))))
        .build();
  }

  @Override
  public List<String> captures(String name) {
    return switch (name) {
      case "img_in" -> List.of("patch_embed");
      case "img_embed" -> List.of("x_embed");
      case "txt_in" -> List.of("y_packed");
      // The rotation's tables are compared among the primitives.
      case "pe", "pe_cos", "pe_sin" -> List.of();
      default -> blockCaptures(name);
    };
  }

  private List<String> blockCaptures(String name) {
    Matcher inDouble = DOUBLE.matcher(name);
    if (inDouble.matches()) {
      return List.of(doubleName(inDouble.group(1), inDouble.group(2), inDouble.group(3)));
    }
    Matcher inSingle = SINGLE.matcher(name);
    if (inSingle.matches()) {
      return singleNames(Integer.parseInt(inSingle.group(1)), inSingle.group(2));
    }
    return List.of(name);
  }

  private static String doubleName(String block, String stream, String what) {
    boolean text = stream.equals("txt");
    return switch (what) {
      case "out" -> block + (text ? ".after_txt_mlp" : ".out");
      case "after_attn" -> block + ".after_" + stream + "_attn";
      // The joint attention is named after its first part, the text.
      case "attn" -> block + ".txt_attn_result" + (text ? "/text" : "");
      case "qkv", "q_proj", "k_proj", "v_proj" -> block + "." + stream + "_attn.qkv";
      case "q_norm", "k_norm" -> block + "." + stream + "_attn." + what;
      default -> block + "." + stream + "_" + what;
    };
  }

  private List<String> singleNames(int block, String what) {
    String name = "single_blocks." + block;
    return switch (what) {
      case "modulation" -> List.of(name + ".modulation");
      case "in" ->
          block == 0
              ? List.of(lastDouble() + ".after_txt_mlp", lastDouble() + ".out")
              : both("single_blocks." + (block - 1) + ".out");
      // The engine keeps q, k and v apart from the MLP's input, which it only has after the GELU.
      case "linear1" -> List.of();
      default -> both(name + "." + what);
    };
  }

  private String lastDouble() {
    int last = -1;
    for (String name : run.outputNames()) {
      Matcher matcher = Pattern.compile("double_blocks\\.(\\d+)\\.img_out").matcher(name);
      if (matcher.matches()) {
        last = Math.max(last, Integer.parseInt(matcher.group(1)));
      }
    }
    return "double_blocks." + last;
  }

  private static List<String> both(String name) {
    return List.of(name + "/text", name);
  }

  @Override
  public double[] reference(String name) {
    return run.output(name).values();
  }

  @Override
  public float @Nullable [] ours(String name, List<Map<String, Captured>> captured) {
    List<Captured> parts = new ArrayList<>();
    for (String part : captures(name)) {
      Captured values = captured.getFirst().get(part);
      if (values == null) {
        return null;
      }
      parts.add(values);
    }
    if (parts.isEmpty()) {
      return null;
    }
    if (name.equals("output")) {
      return packing.pack(
          parts.getFirst().values(), tokens.size(0), tokens.size(2) / (PATCH * PATCH));
    }
    float[] joined =
        parts.size() == 2 ? joined(parts.get(0), parts.get(1)) : parts.getFirst().values();
    Matcher inDouble = DOUBLE.matcher(name);
    if (inDouble.matches() && inDouble.group(3).endsWith("_proj")) {
      int third = "qkv".indexOf(inDouble.group(3).charAt(0));
      return third(joined, parts.getFirst().size(3), third);
    }
    return headsFirst(joined, run.output(name), name.endsWith("_norm"));
  }

  /** Rows of text and of patches, [branch, tokens, columns] each, one behind the other in every branch. */
  private float[] joined(Captured text, Captured patches) {
    int rows = tokens.size(0);
    int textValues = text.values().length / rows;
    int patchValues = patches.values().length / rows;
    float[] all = new float[text.values().length + patches.values().length];
    for (int row = 0; row < rows; row++) {
      int at = row * (textValues + patchValues);
      System.arraycopy(text.values(), row * textValues, all, at, textValues);
      System.arraycopy(patches.values(), row * patchValues, all, at + textValues, patchValues);
    }
    return all;
  }

  /** Columns of q, k or v. */
  private static float[] third(float[] qkv, int columns, int third) {
    int width = columns / THIRDS;
    float[] part = new float[qkv.length / THIRDS];
    for (int row = 0; row < qkv.length / columns; row++) {
      System.arraycopy(qkv, row * columns + third * width, part, row * width, width);
    }
    return part;
  }

  /** The fused layout has [branch, heads, tokens, D] where the engine and the other layout have the heads behind the tokens. */
  private static float[] headsFirst(float[] values, Values reference, boolean ofHeads) {
    if (!ofHeads || reference.size(1) > reference.size(2)) {
      return values;
    }
    int rows = reference.size(0);
    int heads = reference.size(1);
    int count = reference.size(2);
    int width = reference.size(3);
    float[] target = new float[values.length];
    for (int row = 0; row < rows; row++) {
      for (int head = 0; head < heads; head++) {
        for (int token = 0; token < count; token++) {
          int from = ((row * count + token) * heads + head) * width;
          int to = ((row * heads + head) * count + token) * width;
          System.arraycopy(values, from, target, to, width);
        }
      }
    }
    return target;
  }
}
