/** The Java SDK: submit prompts, watch jobs and fetch videos from a Longtake cluster. */
@NullMarked
package dev.longtake.client;

import org.jspecify.annotations.NullMarked;
