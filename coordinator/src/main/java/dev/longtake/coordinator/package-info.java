/** The coordinator process: its command, its settings, and its start-up as steps undone in reverse order. */
@NullMarked
package dev.longtake.coordinator;

import org.jspecify.annotations.NullMarked;
