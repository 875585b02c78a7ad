package dev.longtake.coordinator.web.openai;

import com.google.protobuf.ByteString;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.coordinator.web.http.ApiException;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.IntRange;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.SubmitRequest;
import io.grpc.Status;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a client of OpenAI's API asks for.
 *
 * @param model by name; empty for whichever there is
 * @param seconds that the video shall last at least; empty for the model's own length
 * @param size {@code WIDTHxHEIGHT}; empty for the model's own
 * @param reference a picture or video that it begins with; empty for nothing
 */
record VideoRequest(
    String prompt, String model, String seconds, String size, Optional<ByteString> reference) {
  private static final Pattern SIZE = Pattern.compile("(\\d{1,6})x(\\d{1,6})");
  private static final Pattern SECONDS = Pattern.compile("\\d{1,6}(\\.\\d{1,6})?");

  /**
   * The same as the services have it.
   *
   * @throws LongtakeException INVALID_REQUEST, naming the field
   */
  SubmitRequest submission(ModelCard card) {
    if (!model.isEmpty() && !model.equals(card.getName())) {
      throw new ApiException(
          404,
          Status.Code.NOT_FOUND,
          "MODEL_NOT_FOUND",
          "Expected the model '%s', which this cluster serves, or none, but got %s"
              .formatted(card.getName(), Quoted.of(model)));
    }
    GenerationRequest.Builder request = GenerationRequest.newBuilder().setPrompt(prompt);
    if (!size.isEmpty()) {
      Matcher pixels = SIZE.matcher(size);
      if (!pixels.matches()) {
        throw LongtakeException.invalidField(
            "size",
            "Expected a size as WIDTHxHEIGHT, such as %dx%d, but got %s"
                .formatted(
                    card.getWidth().getDefaultValue(),
                    card.getHeight().getDefaultValue(),
                    Quoted.of(size)));
      }
      request.setWidth(Integer.parseInt(pixels.group(1)));
      request.setHeight(Integer.parseInt(pixels.group(2)));
    }
    if (!seconds.isEmpty()) {
      setLength(request, card);
    }
    SubmitRequest.Builder submission = SubmitRequest.newBuilder().setRequest(request);
    reference.ifPresent(submission::setMedia);
    return submission.build();
  }

  /** One clip where it is long enough, else as many segments as it takes. */
  private void setLength(GenerationRequest.Builder request, ModelCard card) {
    if (!SECONDS.matcher(seconds).matches() || Double.parseDouble(seconds) == 0) {
      throw LongtakeException.invalidField(
          "seconds",
          "Expected seconds of more than 0, such as 4 or 2.5, but got %s"
              .formatted(Quoted.of(seconds)));
    }
    long frames = (long) Math.ceil(Double.parseDouble(seconds) * card.getFps());
    IntRange range = card.getFrames();
    int multiple = Math.max(1, range.getMultipleOf());
    long clip = Math.max(range.getMin(), Math.ceilDiv(frames, multiple) * multiple);
    if (clip <= range.getMax()) {
      request.setFrames((int) clip);
      return;
    }
    // As 'longtake generate --seconds' does: each segment but the first shows half of its frames.
    int first = range.getDefaultValue();
    int more = Math.max(1, first - first / 2);
    request.setLongVideo(
        LongVideo.newBuilder()
            .setSegments(
                (int) Math.min(Integer.MAX_VALUE, 1 + Math.ceilDiv(frames - first, more))));
  }
}
