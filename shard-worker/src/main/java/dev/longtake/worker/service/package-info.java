/** The worker process: its gRPC server, the orders it runs, and its membership in a cluster. */
@NullMarked
package dev.longtake.worker.service;

import org.jspecify.annotations.NullMarked;
