/**
 * What a request may ask of a model. Clients check it before they send, and the coordinator when it receives: the same code, so the same
 * sentences.
 */
@NullMarked
package dev.longtake.limits;

import org.jspecify.annotations.NullMarked;
