/** One rank's part of a job: its rows in lanes, and what it exchanges beside activations. */
@NullMarked
package dev.longtake.worker.engine.gang;

import org.jspecify.annotations.NullMarked;
