/** Models as data, the sharding pass, the executor and the sampler. Knows no gRPC. */
@NullMarked
package dev.longtake.worker.engine;

import org.jspecify.annotations.NullMarked;
