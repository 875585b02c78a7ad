/** Tests of the worker's services over real servers. */
@NullMarked
package dev.longtake.worker.service;

import org.jspecify.annotations.NullMarked;
