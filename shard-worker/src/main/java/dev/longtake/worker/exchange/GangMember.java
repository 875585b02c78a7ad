package dev.longtake.worker.exchange;

import dev.longtake.v1.WorkOrder;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A worker of a gang, as the others see it.
 *
 * @param address host:port
 * @param id unique in the cluster, for meters
 * @param token what calls to it must show; empty: nothing
 */
public record GangMember(String address, String id, String token) {
  /** Workers that want nothing to be shown, with their addresses for ids. */
  public static List<GangMember> at(List<String> addresses) {
    return addresses.stream().map(address -> new GangMember(address, address, "")).toList();
  }

  /** The gang of an order, in order of the ranks. */
  public static List<GangMember> of(WorkOrder order) {
    return IntStream.range(0, order.getGangCount())
        .mapToObj(rank -> {
          String address = order.getGang(rank);
          return new GangMember(
              address,
              order.getGangIdsCount() == 0 ? address : order.getGangIds(rank),
              order.getGangTokensCount() == 0 ? "" : order.getGangTokens(rank));
        })
        .toList();
  }

  /** Without the token. */
  @Override
  public String toString() {
    return "worker " + id + " at " + address;
  }
}
