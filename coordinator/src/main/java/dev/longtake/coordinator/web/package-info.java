/** The coordinator's HTTP side: the same services as the gRPC port's, as JSON and in OpenAI's form, and the page. */
@NullMarked
package dev.longtake.coordinator.web;

import org.jspecify.annotations.NullMarked;
