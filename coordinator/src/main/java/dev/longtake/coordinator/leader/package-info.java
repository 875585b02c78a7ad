/** Which of several coordinators on one database leads. */
@NullMarked
package dev.longtake.coordinator.leader;

import org.jspecify.annotations.NullMarked;
