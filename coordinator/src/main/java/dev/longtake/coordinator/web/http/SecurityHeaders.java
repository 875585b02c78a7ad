package dev.longtake.coordinator.web.http;

import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.http.HttpHeader;

/** What every answer tells browsers: nothing of it is for pages of others. */
final class SecurityHeaders {
  private SecurityHeaders() {}

  static void put(HttpFields.Mutable headers) {
    headers.put("X-Content-Type-Options", "nosniff");
    headers.put("Cross-Origin-Resource-Policy", "same-origin");
    headers.put("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'");
    headers.put("Referrer-Policy", "no-referrer");
    // Those who may cache say so themselves.
    headers.put(HttpHeader.CACHE_CONTROL, "no-store");
  }
}
