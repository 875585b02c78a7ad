package dev.longtake.client;

import dev.longtake.limits.RequestLimits;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.SubmitRequest;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The model that a cluster serves, asked for once; thread-safe. */
final class ServedModel {
  private final Supplier<ClusterStatus> status;
  private volatile @Nullable ModelCard card;

  /**
   * @param status asks the cluster
   */
  ServedModel(Supplier<ClusterStatus> status) {
    this.status = status;
  }

  /** Empty until a worker has joined. */
  Optional<ModelCard> card() {
    ModelCard known = card;
    return known == null ? fetch() : Optional.of(known);
  }

  private Optional<ModelCard> fetch() {
    ClusterStatus now = status.get();
    card = now.hasModel() ? now.getModel() : null;
    return Optional.ofNullable(card);
  }

  /**
   * Checks a request against the model's limits. A model of old never refuses what the one that is served now would take; the coordinator
   * checks again. What a continuation leaves open only the coordinator knows, so it is not checked here.
   *
   * @throws LongtakeClientException INVALID_REQUEST, with the field
   */
  void check(SubmitRequest request) {
    if (request.hasContinuation()) {
      return;
    }
    boolean wasKnown = card != null;
    try {
      card().ifPresent(model -> check(request, model));
    } catch (LongtakeClientException e) {
      if (!wasKnown || !e.reason().equals(LongtakeClientException.INVALID_REQUEST)) {
        throw e;
      }
      fetch().ifPresent(model -> check(request, model));
    }
  }

  private static void check(SubmitRequest request, ModelCard model) {
    VideoRequest.check(() -> RequestLimits.check(request.getRequest(), model));
  }
}
