/** Tests of the SDK against a hand-written server. */
@NullMarked
package dev.longtake.client;

import org.jspecify.annotations.NullMarked;
