/** Tests of identities and of connections with and without them. */
@NullMarked
package dev.longtake.common.tls;

import org.jspecify.annotations.NullMarked;
