@NullMarked
package dev.longtake.worker.device.cuda.driver;

import org.jspecify.annotations.NullMarked;
