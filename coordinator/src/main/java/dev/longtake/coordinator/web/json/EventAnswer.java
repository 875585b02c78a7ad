package dev.longtake.coordinator.web.json;

import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.coordinator.web.http.ApiError;
import dev.longtake.coordinator.web.http.Calls;
import dev.longtake.coordinator.web.http.Exchange;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A stream of messages as server-sent events: each message is an event's data; {@code event: error} has a failure, {@code event: end} tells that
 * nothing follows. Where messages have a {@code sequence}, it is the event's id, and {@code Last-Event-ID} goes on behind one.
 *
 * <p>The next message is asked for when the client has taken the last one, so that one that reads slowly holds back its own stream, and
 * holds nothing here but one message.
 */
final class EventAnswer {
  /** A failure comes before that, and then is the answer itself. */
  private static final Duration FIRST_WAIT = Duration.ofSeconds(1);

  private static final String CURSOR = "after_sequence";
  private static final String ID = "sequence";
  private static final String LAST_ID = "Last-Event-ID";

  private EventAnswer() {}

  static void send(Exchange exchange, Calls calls, ProtoMethod method, Message.Builder request)
      throws Exception {
    boolean isResumed = resume(exchange, request);
    BlockingClientCall<Message, Message> call =
        calls.stream(exchange, method.grpc(), request.build());
    try {
      Message first = null;
      boolean isEmpty = false;
      try {
        first = read(call, FIRST_WAIT);
        isEmpty = first == null;
      } catch (TimeoutException e) {
        // It lives; the first event comes later.
      }
      if (isEmpty && isResumed) {
        // Browsers connect again until they are told that there is nothing more.
        exchange.answer(204);
        return;
      }
      OutputStream out = exchange.begin(200, "text/event-stream");
      if (exchange.isHead()) {
        return;
      }
      if (first != null) {
        write(out, event(first));
      }
      if (!isEmpty) {
        follow(call, exchange.limits().keepAlive(), out);
      }
      write(out, "event: end\ndata: {}\n\n");
      out.close();
    } finally {
      call.cancel("The HTTP request has ended", null);
    }
  }

  private static void follow(
      BlockingClientCall<Message, Message> call, Duration keepAlive, OutputStream out)
      throws IOException, InterruptedException {
    while (true) {
      try {
        Message next = read(call, keepAlive);
        if (next == null) {
          return;
        }
        write(out, event(next));
      } catch (TimeoutException e) {
        write(out, ": still here\n\n");
      } catch (StatusException e) {
        write(out, "event: error\ndata: %s\n\n".formatted(ApiError.of(e).json()));
        return;
      }
    }
  }

  private static @Nullable Message read(
      BlockingClientCall<Message, Message> call, Duration patience)
      throws InterruptedException, TimeoutException, StatusException {
    return call.read(patience.toNanos(), TimeUnit.NANOSECONDS);
  }

  private static String event(Message message) {
    FieldDescriptor id = message.getDescriptorForType().findFieldByName(ID);
    return (id == null ? "" : "id: %s\n".formatted(message.getField(id)))
        + "data: %s\n\n".formatted(ProtoJson.print(message));
  }

  private static void write(OutputStream out, String text) throws IOException {
    out.write(text.getBytes(StandardCharsets.UTF_8));
  }

  private static boolean resume(Exchange exchange, Message.Builder request) {
    FieldDescriptor cursor = request.getDescriptorForType().findFieldByName(CURSOR);
    Optional<String> last = exchange.header(LAST_ID);
    if (cursor == null || last.isEmpty()) {
      return false;
    }
    try {
      request.setField(cursor, Long.parseLong(last.get()));
      return true;
    } catch (NumberFormatException e) {
      throw LongtakeException.invalidField(
          LAST_ID,
          "Expected Last-Event-ID to be the id of an event, but got %s"
              .formatted(Quoted.of(last.get())));
    }
  }
}
