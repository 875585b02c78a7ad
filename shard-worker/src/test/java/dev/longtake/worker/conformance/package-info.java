/** Tests of the engine against reference data, on gangs of every size. */
@NullMarked
package dev.longtake.worker.conformance;

import org.jspecify.annotations.NullMarked;
