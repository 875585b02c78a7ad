/** Tests of the job database, with real servers. */
@NullMarked
package dev.longtake.coordinator.database;

import org.jspecify.annotations.NullMarked;
