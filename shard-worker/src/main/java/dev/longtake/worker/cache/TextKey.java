package dev.longtake.worker.cache;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.engine.program.Instruction;
import java.util.List;

/**
 * All that a prepared text depends on. Two keys are equal only where preparing would give the same bytes.
 *
 * @param revision of the model: a digest of its files, so that another model under the same name is another one
 * @param text the part of the program that reads the text: it names the layers of the rank's block range, and no others. Found by
 *     following what instructions read, so whatever depends on a timestep is no part of it
 * @param precision of what the blocks' products read
 */
record TextKey(String revision, List<Instruction> text, DType precision, Source source) {
  TextKey {
    text = List.copyOf(text);
  }

  /** Which text. */
  sealed interface Source {}

  /**
   * An encoded one.
   *
   * @param digest of the embedding
   * @param tokenIds guard against another embedding with the same digest; empty where nobody said them
   */
  record Embedding(String digest, int tokens, List<Integer> tokenIds) implements Source {
    Embedding {
      tokenIds = List.copyOf(tokenIds);
    }
  }

  /**
   * The model's own null text. One entry serves branches of every length, because each token's values depend on that token alone.
   */
  record NullText() implements Source {}
}
