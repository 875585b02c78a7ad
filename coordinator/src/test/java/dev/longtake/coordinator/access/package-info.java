/** Tests of keys, roles and tenants. */
@NullMarked
package dev.longtake.coordinator.access;

import org.jspecify.annotations.NullMarked;
