/** Values of command line options that several programs have. */
@NullMarked
package dev.longtake.common.options;

import org.jspecify.annotations.NullMarked;
