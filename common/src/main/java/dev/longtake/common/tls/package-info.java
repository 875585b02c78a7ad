/** Certificates and keys of a cluster's processes, and what goes wrong with them. */
@NullMarked
package dev.longtake.common.tls;

import org.jspecify.annotations.NullMarked;
