package dev.longtake.worker.exchange;

import dev.longtake.common.rpc.Bearer;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.tls.TlsIdentity;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The connections of one order to one peer, which all lanes share. A connection is served by one event loop, about one processor's
 * worth of framing and copying; several of them use more. Owns its channels; thread-safe.
 */
final class PeerChannels {
  private final List<ManagedChannel> channels = new ArrayList<>();

  private final List<Channel> calls = new ArrayList<>();

  PeerChannels(GangMember peer, int connections, @Nullable TlsIdentity tls) {
    for (int i = 0; i < connections; i++) {
      ManagedChannel channel = Endpoints.connectOnce(peer.address(), tls);
      channels.add(channel);
      calls.add(Bearer.with(peer.token(), channel));
    }
  }

  List<Channel> all() {
    return List.copyOf(calls);
  }

  /** Gives calls that were completed until the deadline to end, then cuts them. */
  void close(long deadlineNanos) {
    channels.forEach(ManagedChannel::shutdown);
    for (ManagedChannel channel : channels) {
      try {
        long leftNanos = Math.max(0, deadlineNanos - System.nanoTime());
        if (!channel.awaitTermination(leftNanos, TimeUnit.NANOSECONDS)) {
          channel.shutdownNow();
        }
      } catch (InterruptedException e) {
        channel.shutdownNow();
        Thread.currentThread().interrupt();
      }
    }
  }
}
