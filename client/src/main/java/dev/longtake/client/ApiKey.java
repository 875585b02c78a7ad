package dev.longtake.client;

import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import java.util.regex.Pattern;

/** The key that a client shows with every call, as {@code authorization: Bearer KEY}. */
final class ApiKey {
  private static final Metadata.Key<String> HEADER =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private static final Pattern FORM = Pattern.compile("[A-Za-z0-9._~+/=-]{1,256}");

  private ApiKey() {}

  /**
   * Checks a key's form; the error does not quote it.
   *
   * @throws LongtakeClientException INVALID_REQUEST
   */
  static void require(String key) {
    if (!FORM.matcher(key).matches()) {
      throw new LongtakeClientException(
          LongtakeClientException.INVALID_REQUEST,
          "apiKey",
          "Expected a key of 1 to 256 letters, digits and '._~+/=-', but got %d characters, or others among them"
              .formatted(key.length()),
          null);
    }
  }

  /** The channel, showing a key with every call; empty for none. */
  static Channel with(String key, Channel channel) {
    if (key.isEmpty()) {
      return channel;
    }
    Metadata headers = new Metadata();
    headers.put(HEADER, "Bearer " + key);
    return ClientInterceptors.intercept(
        channel, MetadataUtils.newAttachHeadersInterceptor(headers));
  }
}
