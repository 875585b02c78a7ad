/** Tests of the commands. */
@NullMarked
package dev.longtake.client.cli;

import org.jspecify.annotations.NullMarked;
