/** Who may call what: keys, their roles and tenants, and the check in front of every call. */
@NullMarked
package dev.longtake.coordinator.access;

import org.jspecify.annotations.NullMarked;
