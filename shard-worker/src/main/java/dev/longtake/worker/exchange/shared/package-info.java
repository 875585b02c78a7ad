/** Memory that two workers of one host share, so that payloads need not pass through a socket. */
@NullMarked
package dev.longtake.worker.exchange.shared;

import org.jspecify.annotations.NullMarked;
