package dev.longtake.coordinator.web.http;

import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.http.HttpHeader;

/** What every answer tells browsers: nothing of it is for pages of others. */
final class SecurityHeaders {
  /** Previews, and videos that were fetched with a key, are in the page's memory. */
  private static final String CONTENT_SECURITY_POLICY =
      "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; base-uri 'none';"
          + " form-action 'none'; frame-ancestors 'none'";

  private SecurityHeaders() {}

  static void put(HttpFields.Mutable headers) {
    headers.put("X-Content-Type-Options", "nosniff");
    headers.put("Cross-Origin-Resource-Policy", "same-origin");
    headers.put("Content-Security-Policy", CONTENT_SECURITY_POLICY);
    headers.put("Referrer-Policy", "no-referrer");
    // Those who may cache say so themselves.
    headers.put(HttpHeader.CACHE_CONTROL, "no-store");
  }
}
