package dev.longtake.common.rpc;

import io.grpc.BindableService;

/**
 * A service whose callbacks never block: {@link Endpoints} runs them on the event loop that read the message, which saves each message
 * a change of thread.
 */
public interface NonBlockingService extends BindableService {}
