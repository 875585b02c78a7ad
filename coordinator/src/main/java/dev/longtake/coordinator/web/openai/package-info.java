/** Jobs as the videos of OpenAI's API, for clients that speak it. */
@NullMarked
package dev.longtake.coordinator.web.openai;

import org.jspecify.annotations.NullMarked;
