@NullMarked
package dev.longtake.common.tracing;

import org.jspecify.annotations.NullMarked;
