/** What every HTTP answer has in common: routes, bodies, limits, errors, and the calls of the services behind them. */
@NullMarked
package dev.longtake.coordinator.web.http;

import org.jspecify.annotations.NullMarked;
