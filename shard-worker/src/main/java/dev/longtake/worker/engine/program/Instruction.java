package dev.longtake.worker.engine.program;

import dev.longtake.common.stepcache.Reusable;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.FinalLayer;
import dev.longtake.worker.engine.model.Gate;
import dev.longtake.worker.engine.model.Modulation;
import dev.longtake.worker.engine.model.Position;
import dev.longtake.worker.engine.model.Stream;
import dev.longtake.worker.engine.model.VectorOp;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One step of a rank's program: one or two device kernels, or an exchange. {@code name}s are those under which a tap can ask
 * for a result; most are the reference implementation's.
 */
public sealed interface Instruction {
  List<Value> reads();

  Value writes();

  /** Computes on the rank's tokens alone; where a split leaves a rank without any, it has nothing to do. */
  sealed interface OnTokens extends Instruction {}

  /** Encoded text to {@link Value#TEXT}; without layers, as it is. */
  record ProjectText(List<String> layers) implements Instruction {
    @Override
    public List<Value> reads() {
      return List.of(Value.ENCODED_TEXT);
    }

    @Override
    public Value writes() {
      return Value.TEXT;
    }
  }

  /** Keys and values of the text for one cross-attention. */
  record ProjectKeyValue(String layer) implements Instruction {
    @Override
    public List<Value> reads() {
      return List.of(Value.TEXT);
    }

    @Override
    public Value writes() {
      return Value.keyValue(layer);
    }
  }

  /** A modulating vector. */
  record ComputeVector(VectorOp op) implements Instruction {
    @Override
    public List<Value> reads() {
      return switch (op) {
        case VectorOp.Sinusoid s ->
            s.scalar() == VectorOp.Scalar.TIMESTEP
                ? List.of(Value.TIMESTEPS)
                : List.of(Value.SCALARS);
        case VectorOp.Sum s -> List.of(Value.vector(s.left()), Value.vector(s.right()));
        case VectorOp.Concat c -> c.parts().stream().map(Value::vector).toList();
        case VectorOp.WhereMasked w ->
            List.of(Value.vector(w.ordinary()), Value.vector(w.masked()));
        case VectorOp.SiluLinear s -> List.of(Value.vector(s.input()));
        case VectorOp.ClassEmbedding _ -> List.of(Value.CLASS_LABELS);
        case VectorOp.PooledText _ -> List.of(Value.POOLED_TEXT);
      };
    }

    @Override
    public Value writes() {
      return Value.vector(op.output());
    }
  }

  /** A block's modulation table plus the vector. */
  record AddTable(String table, int rows, String vector) implements Instruction {
    @Override
    public List<Value> reads() {
      return List.of(Value.vector(vector));
    }

    @Override
    public Value writes() {
      return Value.modulation(table);
    }
  }

  /** Latents to the patches' residual stream. */
  record EmbedPatches(String layer) implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.LATENTS);
    }

    @Override
    public Value writes() {
      return Value.RESIDUAL;
    }
  }

  /** Adds the embedded reference latents to the patches. */
  record EmbedReference(String layer) implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.REFERENCE, Value.RESIDUAL);
    }

    @Override
    public Value writes() {
      return Value.RESIDUAL;
    }
  }

  /** The rank's share of the projected text to the text's residual stream, in each step because the blocks change it. */
  record EmbedText() implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.TEXT);
    }

    @Override
    public Value writes() {
      return Value.RESIDUAL;
    }
  }

  /** Adds positions to the residual stream; those of the sequence also to text tokens. */
  record AddPosition(Position position, Stream stream) implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.RESIDUAL);
    }

    @Override
    public Value writes() {
      return Value.RESIDUAL;
    }
  }

  /** Names the residual stream for a tap; computes nothing. */
  record Mark(String name) implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.RESIDUAL);
    }

    @Override
    public Value writes() {
      return Value.RESIDUAL;
    }
  }

  /**
   * All-to-all among the sequence ranks so that {@code value} is split another way.
   *
   * @param place for errors and traces, for example {@code "before temporal_blocks.2"}
   */
  record SwitchSplit(Value value, Split from, Split to, String place) implements Instruction {
    @Override
    public List<Value> reads() {
      return List.of(value);
    }

    @Override
    public Value writes() {
      return value;
    }
  }

  /**
   * A value from the stage before: the residual stream, in the split of the program's start, or {@link Value#REST}, which has the same rows.
   */
  record ReceiveTokens(Value value, String place) implements Instruction {
    @Override
    public List<Value> reads() {
      // What comes changes with them.
      return List.of(Value.LATENTS);
    }

    @Override
    public Value writes() {
      return value;
    }
  }

  /** The same value to the next stage. */
  record SendTokens(Value value, String place) implements Instruction {
    @Override
    public List<Value> reads() {
      return List.of(value);
    }

    @Override
    public Value writes() {
      return value;
    }
  }

  /**
   * The beginning of a part that ends with the {@link Keep} of the same thing. A step that takes it over puts back what was kept and goes on
   * behind the part.
   */
  record Reuse(Kept kept) implements Instruction {
    @Override
    public List<Value> reads() {
      return List.of(Value.RESIDUAL);
    }

    @Override
    public Value writes() {
      return kept.value();
    }
  }

  /** The end of a part: keeps what it made, where a later step may take it over. */
  record Keep(Kept kept) implements Instruction {
    @Override
    public List<Value> reads() {
      return List.of(Value.RESIDUAL);
    }

    @Override
    public Value writes() {
      return kept.value();
    }
  }

  /** What steps take over of earlier ones. */
  sealed interface Kept {
    /** Unique in a program. */
    String name();

    /** What the part makes. */
    Value value();

    /**
     * What an operation's last product reads: the same as keeping the operation's result before the gate, which follows from it. So it takes
     * no product that is not fused with its gate, and half of the memory where products read bfloat16.
     *
     * @param value {@link Value#NARROW}, {@link Value#WIDE}, or {@link Value#HIDDEN} for its first columns; in the type of the products
     */
    record Input(String name, Reusable operation, Stream stream, Value value, int columns)
        implements Kept {}

    /** What all blocks but the first one add to the residual stream, on the last stage. */
    record Rest() implements Kept {
      @Override
      public String name() {
        return "rest";
      }

      @Override
      public Value value() {
        return Value.RESIDUAL;
      }
    }

    /**
     * Nothing: a part that only steps need which compute the rest.
     *
     * @param value the last one that the part writes
     */
    record Nothing(String name, Value value) implements Kept {}
  }

  /** Before the first block of a first-block cache: keeps the residual stream in {@link Value#FIRST_CHANGE}. */
  record BeginFirstBlock() implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.RESIDUAL);
    }

    @Override
    public Value writes() {
      return Value.FIRST_CHANGE;
    }
  }

  /** Behind the first block: its change to {@link Value#FIRST_CHANGE}. What follows waits for the decision about the rest. */
  record EndFirstBlock() implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.RESIDUAL, Value.FIRST_CHANGE);
    }

    @Override
    public Value writes() {
      return Value.FIRST_CHANGE;
    }
  }

  /** The rest will be computed: keeps the residual stream in {@link Value#REST}, and the first block's change to compare later ones with. */
  record BeginRest() implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.RESIDUAL);
    }

    @Override
    public Value writes() {
      return Value.REST;
    }
  }

  /**
   * All-to-all of q, k and v in {@link Value#WIDE} to {@link Value#HEADS}: each rank gets all tokens of its heads, in the order of
   * {@link GatherKeyValue}.
   */
  record ScatterHeads(String place) implements Instruction {
    @Override
    public List<Value> reads() {
      return List.of(Value.WIDE);
    }

    @Override
    public Value writes() {
      return Value.HEADS;
    }
  }

  /**
   * The way back of {@link ScatterHeads}: from {@link Value#HEADS_RESULT} each rank gets its tokens of all heads.
   *
   * @param name the attention's, for taps
   * @param result {@link Value#NARROW}, or {@link Value#HIDDEN} for its first C columns
   */
  record CollectHeads(String name, Stream stream, Value result, String place)
      implements Instruction {
    @Override
    public List<Value> reads() {
      return List.of(Value.HEADS_RESULT);
    }

    @Override
    public Value writes() {
      return result;
    }
  }

  /**
   * All-gather of the keys and values in {@link Value#WIDE} to {@link Value#KEY_VALUE}, every branch's text tokens and then its
   * patches in the order of the whole clip; each rank keeps its queries.
   */
  record GatherKeyValue(String place) implements Instruction {
    @Override
    public List<Value> reads() {
      return List.of(Value.WIDE);
    }

    @Override
    public Value writes() {
      return Value.KEY_VALUE;
    }
  }

  /** Normalised and modulated residual stream to {@link Value#NARROW}. */
  record Modulate(String name, Stream stream, Modulation modulation) implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.RESIDUAL, Value.of(modulation.source()));
    }

    @Override
    public Value writes() {
      return Value.NARROW;
    }
  }

  /**
   * The residual stream of the patches to {@link Value#NARROW}.
   *
   * @param position added, or null
   */
  record ReadWithPosition(String name, @Nullable Position position) implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.RESIDUAL);
    }

    @Override
    public Value writes() {
      return Value.NARROW;
    }
  }

  /** A product of {@code input} (cast where it has another type) to {@link Value#WIDE}. */
  record Project(String layer, Stream stream, Value input, Activation activation)
      implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(input);
    }

    @Override
    public Value writes() {
      return Value.WIDE;
    }
  }

  /** The hidden layer of an MLP beside an attention: {@link Value#NARROW} to {@link Value#HIDDEN} behind C columns. */
  record ProjectHidden(String layer) implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.NARROW);
    }

    @Override
    public Value writes() {
      return Value.HIDDEN;
    }
  }

  /**
   * RMS norm and rotation of q, or k, in {@link Value#WIDE}, or of reduced keys in {@link Value#KEY_VALUE}.
   *
   * @param name the attention's, for the norm's weight {@code <name>.<part>_norm.weight}
   * @param reduction side of the cells that keys were reduced by, 1 for those of the tokens themselves
   */
  record NormRotate(
      String name,
      Stream stream,
      Part part,
      int reduction,
      boolean norm,
      boolean rotary,
      Order order)
      implements OnTokens {
    /** Which third of q, k and v. */
    public enum Part {
      Q,
      K
    }

    /** Of norm and rotation. */
    public enum Order {
      NORM_FIRST,
      ROTATION_FIRST
    }

    @Override
    public List<Value> reads() {
      return List.of(writes());
    }

    @Override
    public Value writes() {
      return reduction > 1 ? Value.KEY_VALUE : Value.WIDE;
    }

    /** The norm's name, for its weight and for taps. */
    public String normName() {
      return name + (part == Part.Q ? ".q_norm" : ".k_norm");
    }

    /** The rotated part's name for taps. */
    public String rotatedName() {
      return name + (part == Part.Q ? ".q_rope" : ".k_rope");
    }
  }

  /**
   * Keys and values of each frame in {@link Value#WIDE} to fewer ones in {@link Value#KEY_VALUE}, by the convolution {@code
   * <name>.sr} and the norm {@code <name>.norm}.
   */
  record ReduceKeyValue(String name, int factor) implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.WIDE);
    }

    @Override
    public Value writes() {
      return Value.KEY_VALUE;
    }
  }

  /**
   * Self-attention of the queries in {@link Value#WIDE}.
   *
   * @param name for taps
   * @param keys {@link Value#WIDE} or {@link Value#KEY_VALUE}; {@link Value#HEADS} for the rank's heads, queries too
   * @param reduction side of the cells that keys were reduced by
   * @param result {@link Value#NARROW}, {@link Value#HIDDEN} for its first C columns, or {@link Value#HEADS_RESULT}
   */
  record Attend(String name, Axis axis, Stream stream, Value keys, int reduction, Value result)
      implements Instruction {
    @Override
    public List<Value> reads() {
      return keys.equals(Value.HEADS) ? List.of(keys) : List.of(Value.WIDE, keys);
    }

    @Override
    public Value writes() {
      return result;
    }
  }

  /** Attention of the queries in {@link Value#WIDE} to the text, to {@link Value#NARROW}. */
  record AttendText(String keyValueLayer) implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.WIDE, Value.keyValue(keyValueLayer));
    }

    @Override
    public Value writes() {
      return Value.NARROW;
    }
  }

  /**
   * {@code residual += gate * product(input)}.
   *
   * @param gate null for a plain sum
   * @param resultName of the product before the gate
   * @param afterName of the residual stream afterwards
   */
  record AddProjection(
      String layer,
      Stream stream,
      Value input,
      @Nullable Gate gate,
      String resultName,
      String afterName)
      implements OnTokens {
    @Override
    public List<Value> reads() {
      List<Value> reads = new ArrayList<>(List.of(input, Value.RESIDUAL));
      if (gate != null) {
        reads.add(Value.of(gate.source()));
      }
      return reads;
    }

    @Override
    public Value writes() {
      return Value.RESIDUAL;
    }
  }

  /** The residual stream of the patches to {@link Value#PREDICTION}. */
  record ProjectFinal(FinalLayer layer) implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.RESIDUAL, Value.of(layer.modulation().source()));
    }

    @Override
    public Value writes() {
      return Value.PREDICTION;
    }
  }
}
