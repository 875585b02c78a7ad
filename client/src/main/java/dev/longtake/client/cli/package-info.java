/** The commands that need nothing but a coordinator, and what other commands share with them. */
@NullMarked
package dev.longtake.client.cli;

import org.jspecify.annotations.NullMarked;
