package dev.longtake.coordinator.web.json;

import com.google.protobuf.DescriptorProtos.MethodOptions.IdempotencyLevel;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.MethodDescriptor.PrototypeMarshaller;
import io.grpc.ServiceDescriptor;
import io.grpc.protobuf.ProtoMethodDescriptorSupplier;
import java.util.List;
import java.util.Objects;

/**
 * A method of the contracts, with what its descriptors say of it.
 *
 * @param grpc for calls
 * @param proto of the same
 */
record ProtoMethod(
    MethodDescriptor<Message, Message> grpc,
    com.google.protobuf.Descriptors.MethodDescriptor proto) {
  /** All methods of a service. */
  static List<ProtoMethod> of(ServiceDescriptor service) {
    return service.getMethods().stream().map(ProtoMethod::of).toList();
  }

  private static ProtoMethod of(MethodDescriptor<?, ?> method) {
    // Every message of generated code is one.
    @SuppressWarnings("unchecked")
    MethodDescriptor<Message, Message> ofMessages = (MethodDescriptor<Message, Message>) method;
    var schema = (ProtoMethodDescriptorSupplier) method.getSchemaDescriptor();
    return new ProtoMethod(ofMessages, Objects.requireNonNull(schema).getMethodDescriptor());
  }

  /** Where it is, for example {@code /api/Generation/Submit}. */
  String path() {
    return "/api/%s/%s".formatted(proto.getService().getName(), proto.getName());
  }

  Message.Builder newRequest() {
    var marshaller = (PrototypeMarshaller<Message>) grpc.getRequestMarshaller();
    return Objects.requireNonNull(marshaller.getMessagePrototype()).newBuilderForType();
  }

  /** Whether it may be asked again and again. */
  boolean isReadOnly() {
    return proto.getOptions().getIdempotencyLevel() == IdempotencyLevel.NO_SIDE_EFFECTS;
  }

  /** Whether one request is all it takes, which is what HTTP has. */
  boolean takesOneRequest() {
    return grpc.getType() == MethodType.UNARY || grpc.getType() == MethodType.SERVER_STREAMING;
  }

  boolean isStreaming() {
    return grpc.getType() == MethodType.SERVER_STREAMING;
  }

  /** Whether its answers are pieces of a file: bytes with their offset and nothing else. */
  boolean isFile() {
    return isStreaming() && isChunk(proto.getOutputType());
  }

  private static boolean isChunk(Descriptor message) {
    FieldDescriptor data = message.findFieldByName("data");
    return message.getFields().size() == 2
        && message.findFieldByName("offset") != null
        && data != null
        && data.getType() == FieldDescriptor.Type.BYTES;
  }
}
