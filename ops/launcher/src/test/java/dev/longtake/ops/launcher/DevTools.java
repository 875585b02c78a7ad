package dev.longtake.ops.launcher;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;

/** A connection by the DevTools protocol: commands and their results, and events. One thread sends. */
final class DevTools implements AutoCloseable {
  private static final long PATIENCE_SECONDS = 60;

  private final BiConsumer<String, JsonObject> events;
  private final Map<Integer, CompletableFuture<JsonObject>> pending = new ConcurrentHashMap<>();
  private final AtomicInteger lastId = new AtomicInteger();
  private final WebSocket socket;

  /** @param events told each event's method and parameters, on a thread of the connection */
  DevTools(URI address, BiConsumer<String, JsonObject> events) {
    this.events = events;
    this.socket =
        get(HttpClient.newHttpClient().newWebSocketBuilder().buildAsync(address, new Listener()));
  }

  /**
   * Sends a command and waits for its result.
   *
   * @param session what {@code Target.attachToTarget} gave; empty: the browser itself
   */
  JsonObject send(String session, String method, JsonObject parameters) {
    int id = lastId.incrementAndGet();
    JsonObject command = new JsonObject();
    command.addProperty("id", id);
    command.addProperty("method", method);
    command.add("params", parameters);
    if (!session.isEmpty()) {
      command.addProperty("sessionId", session);
    }
    CompletableFuture<JsonObject> answer = new CompletableFuture<>();
    pending.put(id, answer);
    get(socket.sendText(command.toString(), /* last= */ true));
    JsonObject message = get(answer);
    if (message.has("error")) {
      throw new AssertionError(method + ": " + message.get("error"));
    }
    return message.getAsJsonObject("result");
  }

  private static <T> T get(CompletableFuture<T> future) {
    try {
      return future.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException | ExecutionException | TimeoutException e) {
      throw new AssertionError("Expected an answer of the browser", e);
    }
  }

  private void received(JsonObject message) {
    if (message.has("id")) {
      CompletableFuture<JsonObject> waiting = pending.remove(message.get("id").getAsInt());
      if (waiting != null) {
        waiting.complete(message);
      }
    } else {
      events.accept(message.get("method").getAsString(), message.getAsJsonObject("params"));
    }
  }

  @Override
  public void close() {
    socket.abort();
  }

  /** Messages come in parts, one after the other. */
  private final class Listener implements WebSocket.Listener {
    private final StringBuilder parts = new StringBuilder();

    @Override
    public @org.jspecify.annotations.Nullable CompletionStage<?> onText(
        WebSocket from, CharSequence part, boolean isLast) {
      parts.append(part);
      if (isLast) {
        JsonObject message = JsonParser.parseString(parts.toString()).getAsJsonObject();
        parts.setLength(0);
        received(message);
      }
      from.request(1);
      return null;
    }
  }
}
