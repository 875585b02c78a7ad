package dev.longtake.coordinator.web.json;

import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.MessageOrBuilder;
import dev.longtake.common.error.LongtakeException;
import java.util.List;

/** JSON can name halves of characters, which UTF-8 and so the services' messages can't hold. */
final class Unicode {
  private Unicode() {}

  /**
   * @throws LongtakeException INVALID_REQUEST, naming the field
   */
  static void require(MessageOrBuilder message) {
    message.getAllFields().forEach(Unicode::require);
  }

  private static void require(FieldDescriptor field, Object value) {
    switch (value) {
      case List<?> values -> values.forEach(one -> require(field, one));
      case MessageOrBuilder inner -> require(inner);
      case String text when text.codePoints().anyMatch(Unicode::isHalf) ->
          throw LongtakeException.invalidField(
              field.getName(),
              "Expected %s to be text, but it has a half of a surrogate pair"
                  .formatted(field.getName()));
      default -> {}
    }
  }

  private static boolean isHalf(int codePoint) {
    return codePoint >= Character.MIN_SURROGATE && codePoint <= Character.MAX_SURROGATE;
  }
}
