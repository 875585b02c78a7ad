package dev.longtake.worker.engine.program;

import java.util.List;

/** A float32 tensor that a program uses as it is: tables, norm weights, frequencies. */
public record TensorSpec(String name, List<Integer> shape) {}
