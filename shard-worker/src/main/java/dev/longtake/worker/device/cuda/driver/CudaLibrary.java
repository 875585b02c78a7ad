package dev.longtake.worker.device.cuda.driver;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import jcuda.driver.JCudaDriver;
import org.jspecify.annotations.Nullable;

/** NVIDIA's driver and the binding to it, in this process from the first use to its end. */
final class CudaLibrary {
  private static final String LIBRARY = "libcuda.so.1";
  private static final String TEMPORARY_FOLDER = "java.io.tmpdir";

  private static boolean loaded; // guarded by the class

  private CudaLibrary() {}

  /**
   * Loads both, once.
   *
   * @return the driver's functions, for what the binding lacks
   * @throws LongtakeException INVALID_REQUEST where there is no driver, or no binding for this system
   */
  static synchronized SymbolLookup load() {
    SymbolLookup symbols = driver();
    if (!loaded) {
      loadBinding();
      loaded = true;
    }
    return symbols;
  }

  /** Whether this host has NVIDIA's driver. */
  static boolean isPresent() {
    try {
      driver();
      return true;
    } catch (LongtakeException e) {
      return false;
    }
  }

  /** Looked for before any class of the binding is touched: one that fails to load can't be tried again. */
  @SuppressWarnings("restricted") // a native library is what this class is for
  private static SymbolLookup driver() {
    try {
      return SymbolLookup.libraryLookup(LIBRARY, Arena.global());
    } catch (IllegalArgumentException e) {
      throw LongtakeException.invalidField(
          "--device",
          "Expected NVIDIA's driver for --device cuda, but this host has no %s; install the driver, or start the worker with --device cpu"
              .formatted(LIBRARY));
    }
  }

  /**
   * The binding unpacks its library to the system's temporary folder, where it takes a file of that name for its own, whoever wrote it,
   * even half of one. So it gets a folder of its own for the moment.
   */
  private static void loadBinding() {
    String systemFolder = System.getProperty(TEMPORARY_FOLDER);
    Path own = null;
    try {
      own = Files.createTempDirectory("longtake-cuda-");
      System.setProperty(TEMPORARY_FOLDER, own.toString());
      JCudaDriver.setExceptionsEnabled(false);
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected to unpack the CUDA binding into %s, but could not: %s; make room there, or name another folder with -D%s"
              .formatted(systemFolder, e.getMessage(), TEMPORARY_FOLDER),
          e);
    } catch (LinkageError e) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected a CUDA binding for this system, but there is one for linux-x86_64 alone, and this is %s-%s: %s"
              .formatted(
                  System.getProperty("os.name"),
                  System.getProperty("os.arch"),
                  String.valueOf(e.getMessage()).lines().findFirst().orElse("")),
          e);
    } finally {
      if (systemFolder != null) {
        System.setProperty(TEMPORARY_FOLDER, systemFolder);
      }
      delete(own);
    }
  }

  /** A library that is loaded needs its file no longer. */
  private static void delete(@Nullable Path folder) {
    if (folder == null) {
      return;
    }
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
      for (Path file : files) {
        Files.delete(file);
      }
      Files.delete(folder);
    } catch (IOException e) {
      // The system empties its temporary folder.
    }
  }
}
