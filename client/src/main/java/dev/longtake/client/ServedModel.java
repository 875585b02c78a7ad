package dev.longtake.client;

import dev.longtake.limits.RequestLimits;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.SubmitRequest;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The model that a cluster serves, asked for once; thread-safe. */
final class ServedModel {
  private final Supplier<ModelCard> ask;
  private volatile @Nullable ModelCard card;

  /**
   * @param ask asks the cluster
   */
  ServedModel(Supplier<ModelCard> ask) {
    this.ask = ask;
  }

  /**
   * The model's card.
   *
   * @throws LongtakeClientException NO_WORKERS until a worker has joined
   */
  ModelCard card() {
    ModelCard known = card;
    return known == null ? fetch() : known;
  }

  private ModelCard fetch() {
    ModelCard now = ask.get();
    card = now;
    return now;
  }

  /**
   * Checks a request against the model's limits. A model of old never refuses what the one that is served now would take; the coordinator
   * checks again. What a continuation leaves open only the coordinator knows, so it is not checked here.
   *
   * @throws LongtakeClientException INVALID_REQUEST, with the field; NO_WORKERS
   */
  void check(SubmitRequest request) {
    if (request.hasContinuation()) {
      return;
    }
    ModelCard known = card;
    if (known == null) {
      check(request, fetch());
      return;
    }
    try {
      check(request, known);
    } catch (LongtakeClientException e) {
      check(request, fetch());
    }
  }

  private static void check(SubmitRequest request, ModelCard model) {
    VideoRequest.check(() -> RequestLimits.check(request.getRequest(), model));
  }
}
