package dev.longtake.common.tracing;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.MethodDescriptor;
import io.micrometer.observation.ObservationRegistry;

/** Calls that nobody observes, such as measurements and questions after health, are no traces of their own. */
record WithinObservations(ObservationRegistry observations, ClientInterceptor tracing)
    implements ClientInterceptor {
  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(
      MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    return observations.getCurrentObservation() == null
        ? next.newCall(method, options)
        : tracing.interceptCall(method, options, next);
  }
}
