package dev.longtake.coordinator.web.http;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.http.HttpHeader;

/** Calls of the services, for requests: a call shows the key that its request shows. Thread-safe. */
public final class Calls {
  private static final Metadata.Key<String> KEY =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  /** The slowest one encodes prompts and frames, which have deadlines of their own. */
  private static final long CALL_SECONDS = 300;

  private final Channel channel;

  public Calls(Channel channel) {
    this.channel = channel;
  }

  /**
   * One answer to one request.
   *
   * @throws StatusException how the call failed
   */
  public <Q, A> A call(Exchange exchange, MethodDescriptor<Q, A> method, Q request)
      throws StatusException {
    return ClientCalls.blockingV2UnaryCall(
        as(exchange),
        method,
        CallOptions.DEFAULT.withDeadlineAfter(CALL_SECONDS, TimeUnit.SECONDS),
        request);
  }

  /** Any number of answers, one of which is on its way at a time; the caller reads to the end or cancels. */
  public <Q, A> BlockingClientCall<Q, A> stream(
      Exchange exchange, MethodDescriptor<Q, A> method, Q request) {
    return ClientCalls.blockingV2ServerStreamingCall(
        as(exchange), method, CallOptions.DEFAULT, request);
  }

  private Channel as(Exchange exchange) {
    return exchange
        .header(HttpHeader.AUTHORIZATION)
        .map(shown -> {
          Metadata headers = new Metadata();
          headers.put(KEY, requirePrintable(shown));
          return ClientInterceptors.intercept(
              channel, MetadataUtils.newAttachHeadersInterceptor(headers));
        })
        .orElse(channel);
  }

  private static String requirePrintable(String value) {
    if (!value.chars().allMatch(c -> c >= ' ' && c <= '~')) {
      throw new LongtakeException(
          ErrorCode.UNAUTHENTICATED,
          "Expected 'Authorization: Bearer KEY', but the header has characters that no key has");
    }
    return value;
  }
}
