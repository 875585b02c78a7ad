/** Where jobs are stored: one schema for SQLite and PostgreSQL, migrated by Flyway; and, with PostgreSQL, who leads. */
@NullMarked
package dev.longtake.coordinator.database;

import org.jspecify.annotations.NullMarked;
