/** Embeddings of prompts, kept for requests to come. */
@NullMarked
package dev.longtake.coordinator.cache;

import org.jspecify.annotations.NullMarked;
