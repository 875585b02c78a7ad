package dev.longtake.worker.engine.program;

import dev.longtake.worker.device.Activation;
import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.FinalLayer;
import dev.longtake.worker.engine.model.Modulation;
import dev.longtake.worker.engine.model.VectorOp;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One step of a rank's program: one or two device kernels, or an exchange. {@code name}s are those under which the
 * reference implementation's intermediate results are known; a tap can ask for them.
 */
public sealed interface Instruction {
  List<Value> reads();

  Value writes();

  /** Computes on the rank's tokens alone; where a split leaves a rank without any, it has nothing to do. */
  sealed interface OnTokens extends Instruction {}

  /** Encoded text to {@link Value#TEXT}. */
  record ProjectText(String layer) implements Instruction {
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
            switch (s.scalar()) {
              case TIMESTEP -> List.of(Value.TIMESTEPS);
              case FRAME_RATE -> List.of(Value.FRAME_RATES);
            };
        case VectorOp.Sum s -> List.of(Value.vector(s.left()), Value.vector(s.right()));
        case VectorOp.SiluLinear s -> List.of(Value.vector(s.input()));
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

  /** Latents to tokens, positions added. */
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

  /** Normalised and modulated residual stream to {@link Value#NARROW}. */
  record Modulate(String name, Modulation modulation) implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.RESIDUAL, Value.modulation(modulation.table()));
    }

    @Override
    public Value writes() {
      return Value.NARROW;
    }
  }

  /** A product of {@code input} (cast where it has another type) to {@link Value#WIDE}. */
  record Project(String layer, Value input, Activation activation) implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(input);
    }

    @Override
    public Value writes() {
      return Value.WIDE;
    }
  }

  /** RMS norm and rotation of q and k in {@link Value#WIDE}; {@code name} is the attention's. */
  record NormRotate(String name, boolean norm, boolean rotary) implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.WIDE);
    }

    @Override
    public Value writes() {
      return Value.WIDE;
    }
  }

  /** Self-attention of q, k, v in {@link Value#WIDE} to {@link Value#NARROW}. */
  record Attend(Axis axis) implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.WIDE);
    }

    @Override
    public Value writes() {
      return Value.NARROW;
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
      String layer, Value input, @Nullable Modulation gate, String resultName, String afterName)
      implements OnTokens {
    @Override
    public List<Value> reads() {
      return gate == null
          ? List.of(input, Value.RESIDUAL)
          : List.of(input, Value.RESIDUAL, Value.modulation(gate.table()));
    }

    @Override
    public Value writes() {
      return Value.RESIDUAL;
    }
  }

  /** The residual stream to {@link Value#PREDICTION}. */
  record ProjectFinal(FinalLayer layer) implements OnTokens {
    @Override
    public List<Value> reads() {
      return List.of(Value.RESIDUAL, Value.modulation(layer.modulation().table()));
    }

    @Override
    public Value writes() {
      return Value.PREDICTION;
    }
  }
}
