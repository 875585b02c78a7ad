package dev.longtake.common.rpc;

import dev.longtake.common.error.LongtakeException;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * The secret that a caller shows with each call, as {@code authorization: Bearer SECRET} (RFC 6750). Who can read a connection can read it:
 * it belongs into TLS or stays on one host.
 */
public final class Bearer {
  private static final Metadata.Key<String> HEADER =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private static final String SCHEME = "Bearer ";
  private static final int SECRET_BYTES = 32;

  /** What a header may carry; ours have 43 characters and a prefix. */
  private static final Pattern SECRET = Pattern.compile("[A-Za-z0-9._~+/=-]{1,256}");

  private Bearer() {}

  /** A secret that nobody guesses: 256 random bits as 43 characters. */
  public static String newSecret(SecureRandom random) {
    byte[] bytes = new byte[SECRET_BYTES];
    random.nextBytes(bytes);
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }

  /**
   * Checks the form of a secret.
   *
   * @param source where it comes from, for the error, which does not quote it
   * @throws LongtakeException INVALID_REQUEST
   */
  public static String require(String secret, String source) {
    if (!SECRET.matcher(secret).matches()) {
      throw LongtakeException.invalidField(
          source,
          "Expected %s to hold a key of 1 to 256 letters, digits and '._~+/=-', but got %d characters, or others among them"
              .formatted(source, secret.length()));
    }
    return secret;
  }

  /**
   * The channel, showing a secret with every call.
   *
   * @param secret empty for none
   */
  public static Channel with(String secret, Channel channel) {
    if (secret.isEmpty()) {
      return channel;
    }
    Metadata headers = new Metadata();
    headers.put(HEADER, SCHEME + secret);
    return ClientInterceptors.intercept(
        channel, MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  /** What the caller shows; empty for nothing. */
  public static Optional<String> of(Metadata headers) {
    String value = headers.get(HEADER);
    return value != null && value.regionMatches(true, 0, SCHEME, 0, SCHEME.length())
        ? Optional.of(value.substring(SCHEME.length()).strip())
        : Optional.empty();
  }

  /** Whether two secrets are the same, in a time that does not tell how much of them is. */
  public static boolean same(String a, String b) {
    return MessageDigest.isEqual(
        a.getBytes(StandardCharsets.UTF_8), b.getBytes(StandardCharsets.UTF_8));
  }
}
