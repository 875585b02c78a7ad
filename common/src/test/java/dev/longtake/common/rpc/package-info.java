/** Tests of what all remote calls share. */
@NullMarked
package dev.longtake.common.rpc;

import org.jspecify.annotations.NullMarked;
