/** Tests of the coordinator over real servers, with fake workers. */
@NullMarked
package dev.longtake.coordinator;

import org.jspecify.annotations.NullMarked;
