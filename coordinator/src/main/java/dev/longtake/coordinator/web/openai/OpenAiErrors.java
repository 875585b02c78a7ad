package dev.longtake.coordinator.web.openai;

import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import dev.longtake.coordinator.web.http.ApiError;
import java.util.Locale;

/** Failures as clients of OpenAI's API expect them. */
public final class OpenAiErrors {
  private static final int SERVER_ERROR = 500;

  private OpenAiErrors() {}

  /** The body of an answer. */
  public static JsonObject json(ApiError failure) {
    JsonObject error = new JsonObject();
    error.addProperty("message", failure.message());
    error.addProperty("type", type(failure.httpStatus()));
    if (failure.field().isEmpty()) {
      error.add("param", JsonNull.INSTANCE);
    } else {
      error.addProperty("param", parameter(failure.field()));
    }
    error.addProperty("code", failure.reason().toLowerCase(Locale.ROOT));
    JsonObject body = new JsonObject();
    body.add("error", error);
    return body;
  }

  private static String type(int httpStatus) {
    return switch (httpStatus) {
      case 401 -> "authentication_error";
      case 403 -> "permission_error";
      case 429 -> "rate_limit_error";
      default -> httpStatus < SERVER_ERROR ? "invalid_request_error" : "server_error";
    };
  }

  /** What a client sent that became the field. */
  private static String parameter(String field) {
    return switch (field) {
      case "width", "height", "upscale" -> "size";
      case "frames", "long_video", "long_video.segments", "long_video.overlap" -> "seconds";
      case "media" -> "input_reference";
      default -> field;
    };
  }
}
