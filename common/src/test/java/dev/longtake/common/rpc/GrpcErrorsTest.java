package dev.longtake.common.rpc;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import io.grpc.Metadata;
import io.grpc.Status;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** Failures become statuses and back. */
final class GrpcErrorsTest {
  private static final Metadata.Key<byte[]> DETAILS =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);

  @Test
  void shouldKeepCodeAndMessageWhenTheyWentOverTheWire() {
    var sent = new LongtakeException(ErrorCode.OUT_OF_MEMORY, "Expected 8 GiB");
    LongtakeException got = GrpcErrors.fromStatus(GrpcErrors.toStatus(sent), "worker w1");
    assertThat(got.code()).isEqualTo(ErrorCode.OUT_OF_MEMORY);
    assertThat(got).hasMessage("Expected 8 GiB");
  }

  @Test
  void shouldNamePeerAndStatusWhenDetailsAreBroken() {
    var details = new Metadata();
    details.put(DETAILS, new byte[] {0x12, 0x02, (byte) 0xff, (byte) 0xfe});
    var broken = Status.ABORTED.withDescription("a newer attempt").asRuntimeException(details);
    LongtakeException got = GrpcErrors.fromStatus(broken, "rank 1 at host:7401");
    assertThat(got.code()).isEqualTo(ErrorCode.INTERNAL);
    assertThat(got).hasMessage("rank 1 at host:7401: ABORTED (a newer attempt)");
  }

  @Test
  void shouldFitIntoHeadersHoweverLongTheMessageIs() {
    for (String letter : new String[] {"x", "ü", "字", "😀"}) {
      var status =
          GrpcErrors.toStatus(LongtakeException.invalidField("field", letter.repeat(100_000)));

      String message = String.valueOf(status.getStatus().getDescription());
      assertThat(message).startsWith(letter.repeat(200)).endsWith(letter + "…");
      assertThat(message.getBytes(StandardCharsets.UTF_8).length).isLessThan(1210);
      byte[] details = Objects.requireNonNull(status.getTrailers()).get(DETAILS);
      assertThat(details).hasSizeLessThan(2600);
    }
  }
}
