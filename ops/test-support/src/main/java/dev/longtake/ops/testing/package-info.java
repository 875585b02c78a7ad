/** What the tests of several modules look at results with. */
@NullMarked
package dev.longtake.ops.testing;

import org.jspecify.annotations.NullMarked;
