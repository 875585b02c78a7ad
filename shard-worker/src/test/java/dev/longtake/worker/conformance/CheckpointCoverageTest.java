package dev.longtake.worker.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.checkpoint.Checkpoints;
import dev.longtake.common.checkpoint.Piece;
import dev.longtake.common.checkpoint.TensorInfo;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.worker.engine.model.CatalogModel;
import dev.longtake.worker.engine.model.ModelCatalog;
import dev.longtake.worker.engine.program.LinearSpec;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.TensorSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

/** Whether models read all of a checkpoint, and nothing twice, whatever its layout. */
class CheckpointCoverageTest {
  static final List<String> MODELS = ConformanceTest.MODELS;

  /** Position tables, which are computed here, and a caption for the training of a model that has no null caption. */
  private static final Map<String, Set<String>> UNUSED =
      Map.ofEntries(
          Map.entry("dit_label_2d", Set.of("pos_embed")),
          Map.entry("dit3d_label", Set.of("pos_embed_spatial", "pos_embed_temporal")),
          Map.entry("dit3d_text_latte", Set.of("pos_embed_spatial", "pos_embed_temporal")),
          Map.entry("latte_label", Set.of("pos_embed", "temp_embed")),
          Map.entry("latte_text", Set.of("caption_projection.y_embedding")),
          Map.entry("pixart", Set.of("pos_embed", "pos_embed_temporal")),
          Map.entry("pixart_alpha", Set.of("pos_embed")),
          Map.entry("pixart_alpha_ms", Set.of("pos_embed")),
          Map.entry("pixart_sigma_ms", Set.of("pos_embed")),
          Map.entry("pixart_sigma", Set.of("pos_embed", "pos_embed_temporal")),
          Map.entry("stdit_v1", Set.of("pos_embed", "pos_embed_temporal")));

  @TempDir Path temporary = Path.of("");

  @ParameterizedTest
  @FieldSource("MODELS")
  void shouldReadEveryRowOfTheFileOnce(String golden) throws IOException {
    ModelFolder folder = ModelFolder.open(GoldenCopy.ofFirstRun(golden, temporary).folder());
    try (Checkpoint checkpoint = Checkpoints.open(folder.ditWeights())) {
      Map<String, List<Piece>> pieces = pieces(folder, checkpoint);

      Set<String> unused = new TreeSet<>(checkpoint.names());
      unused.removeAll(pieces.keySet());
      assertThat(unused).isEqualTo(UNUSED.getOrDefault(golden, Set.of()));
      pieces.forEach((tensor, read) -> {
        int[] times = new int[rows(checkpoint, tensor)];
        for (Piece piece : read) {
          int end = (int) Math.min(piece.rowEnd(), times.length);
          for (int row = (int) piece.rowStart(); row < end; row++) {
            times[row]++;
          }
        }
        assertThat(Arrays.stream(times)).as(tensor).allMatch(count -> count == 1);
      });
    }
  }

  private static int rows(Checkpoint checkpoint, String tensor) {
    TensorInfo info = checkpoint.info(tensor).orElseThrow(() -> new AssertionError(tensor));
    return Math.toIntExact(info.shape().getFirst());
  }

  /** What the model reads of each of the file's tensors. */
  private static Map<String, List<Piece>> pieces(ModelFolder folder, Checkpoint checkpoint) {
    CatalogModel model = ModelCatalog.describe(folder.dit(), checkpoint.names());
    Program program = Program.compile(model.description(), 2);
    List<String> names = new ArrayList<>();
    for (LinearSpec linear : program.linears()) {
      names.add(linear.layer() + ".weight");
      names.add(linear.layer() + ".bias");
    }
    program.tensors().stream().map(TensorSpec::name).forEach(names::add);
    Map<String, List<Piece>> pieces = new TreeMap<>();
    for (String name : names) {
      List<Piece> ofName = model.names().pieces(name);
      for (Piece piece : ofName.isEmpty() ? List.of(Piece.whole(name)) : ofName) {
        pieces.computeIfAbsent(piece.tensor(), _ -> new ArrayList<>()).add(piece);
      }
    }
    return pieces;
  }
}
