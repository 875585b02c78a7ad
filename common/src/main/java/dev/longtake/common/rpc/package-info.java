/** gRPC servers, channels and status mapping, set up in one place. */
@NullMarked
package dev.longtake.common.rpc;

import org.jspecify.annotations.NullMarked;
