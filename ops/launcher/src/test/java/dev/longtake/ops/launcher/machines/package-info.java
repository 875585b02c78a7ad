/** What machines are set up with, checked against the program: configuration files, units, manifests, and the guide for operators. */
@NullMarked
package dev.longtake.ops.launcher.machines;

import org.jspecify.annotations.NullMarked;
