/** Child processes of a local cluster: started, watched, and never left behind. */
@NullMarked
package dev.longtake.common.process;

import org.jspecify.annotations.NullMarked;
