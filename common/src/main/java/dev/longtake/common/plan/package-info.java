/** Plans, checked, and who does what in them. */
@NullMarked
package dev.longtake.common.plan;

import org.jspecify.annotations.NullMarked;
