package dev.longtake.worker.media;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.OrtSession.SessionOptions;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;

/**
 * A network in ONNX Runtime on the CPU, set up for equal bytes and little memory rather than for throughput: operators run
 * in sequence on a fixed number of threads, and no arena keeps what the largest run took.
 */
final class OnnxModel implements AutoCloseable {
  private final Path file;
  private final OrtEnvironment environment;
  private final OrtSession session;

  private OnnxModel(Path file, OrtEnvironment environment, OrtSession session) {
    this.file = file;
    this.environment = environment;
    this.session = session;
  }

  /** What a run needs: creates a tensor, runs the session, reads the result. */
  interface Run<T> {
    T run(OrtEnvironment environment, OrtSession session) throws OrtException;
  }

  /**
   * Loads a network.
   *
   * @param inputs the names its inputs must have
   */
  static OnnxModel open(Path file, Set<String> inputs, int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("Expected at least 1 thread, but got " + threads);
    }
    OrtEnvironment environment = environment();
    try (SessionOptions options = new SessionOptions()) {
      options.setExecutionMode(SessionOptions.ExecutionMode.SEQUENTIAL);
      options.setInterOpNumThreads(1);
      options.setIntraOpNumThreads(threads);
      options.setDeterministicCompute(true);
      // The engine computes on the same cores; threads that spin while they wait would slow it.
      options.addConfigEntry("session.intra_op.allow_spinning", "0");
      // Runs are rare and their sizes differ: what an arena or a memory plan would keep is not used
      // again.
      options.setCPUArenaAllocator(false);
      options.setMemoryPatternOptimization(false);
      OrtSession session = environment.createSession(file.toString(), options);
      if (!session.getInputNames().equals(inputs)) {
        Set<String> found = session.getInputNames();
        session.close();
        throw new LongtakeException(
            ErrorCode.INVALID_MODEL,
            "Expected the inputs %s in %s, but it has %s; export the network again"
                .formatted(inputs, file, found));
      }
      return new OnnxModel(file, environment, session);
    } catch (OrtException e) {
      throw new LongtakeException(
          ErrorCode.INVALID_MODEL,
          "Expected an ONNX network at %s, but ONNX Runtime says: %s; export it again"
              .formatted(file, Quoted.line(e.getMessage())),
          e);
    }
  }

  private static OrtEnvironment environment() {
    try {
      // Warnings tell of graph details and missing GPUs, which nobody here can act on.
      return OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR, "longtake");
    } catch (LinkageError e) {
      throw NativeLibraries.unusable("ONNX Runtime", System.getProperty("java.io.tmpdir"), e);
    }
  }

  /** Runs the network; its failures become INTERNAL. May be called by several threads. */
  <T> T run(Run<T> run) {
    try {
      return run.run(environment, session);
    } catch (OrtException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected %s to run, but ONNX Runtime says: %s"
              .formatted(file, Quoted.line(e.getMessage())),
          e);
    }
  }

  /** The first output, which must have this shape; -1 stands for any size. */
  OnnxTensor output(OrtSession.Result result, long... expectedShape) {
    OnnxValue value = result.get(0);
    if (value instanceof OnnxTensor tensor && fits(tensor.getInfo().getShape(), expectedShape)) {
      return tensor;
    }
    throw new LongtakeException(
        ErrorCode.INVALID_MODEL,
        "Expected %s to give %s, but it gave %s; export the network again"
            .formatted(file, Arrays.toString(expectedShape), value));
  }

  private static boolean fits(long[] shape, long[] expected) {
    boolean fits = shape.length == expected.length;
    for (int i = 0; fits && i < shape.length; i++) {
      fits = expected[i] == -1 || expected[i] == shape[i];
    }
    return fits;
  }

  @Override
  public void close() {
    try {
      session.close();
    } catch (OrtException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected %s to close, but ONNX Runtime says: %s"
              .formatted(file, Quoted.line(e.getMessage())),
          e);
    }
  }
}
