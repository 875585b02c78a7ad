/** The rules of the house, checked as tests. */
@NullMarked
package dev.longtake.ops.rules;

import org.jspecify.annotations.NullMarked;
