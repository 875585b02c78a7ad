package dev.longtake.coordinator.measure;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.planner.Clips;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.MeasureBlocks;
import dev.longtake.v1.MeasureLink;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Precision;
import dev.longtake.v1.WorkOrder;
import java.time.Duration;
import java.util.List;

/** One thing to measure. Equal when the same workers would be asked for the same. */
sealed interface Measurement {
  /** In order of their ranks. */
  List<Member> members();

  /** Of the orders; what they are about, for logs too. */
  String jobId();

  /** Of the orders. */
  Precision precision();

  /** After which it has failed. */
  Duration deadline();

  /** Adds the task to an order. */
  void addTask(WorkOrder.Builder order);

  /** The blocks of the model on one worker. */
  record Blocks(Member member, Precision precision) implements Measurement {
    /** Weights of one block of each kind are read and two sizes timed: a second or two. */
    private static final Duration DEADLINE = Duration.ofSeconds(30);

    @Override
    public List<Member> members() {
      return List.of(member);
    }

    @Override
    public String jobId() {
      return "measure-blocks-%s-%s"
          .formatted(member.id(), precision == Precision.PRECISION_BF16 ? "bf16" : "f32");
    }

    @Override
    public Duration deadline() {
      return DEADLINE;
    }

    @Override
    public void addTask(WorkOrder.Builder order) {
      order.setMeasureBlocks(
          MeasureBlocks.newBuilder().setTypical(typical(member.description().getModel())));
    }

    /** The clip of a request that asks for nothing special. */
    private static ClipGeometry typical(ModelCard card) {
      try {
        return Clips.geometry(
            card,
            GenerationRequest.newBuilder()
                .setWidth(card.getWidth().getDefaultValue())
                .setHeight(card.getHeight().getDefaultValue())
                .setFrames(card.getFrames().getDefaultValue())
                .build());
      } catch (LongtakeException e) {
        // Jobs of such a model are refused; the worker chooses a size.
        return ClipGeometry.getDefaultInstance();
      }
    }
  }

  /** The exchange between two workers, both directions at once. */
  record Link(Member first, Member second) implements Measurement {
    private static final Duration DEADLINE = Duration.ofSeconds(15);

    @Override
    public List<Member> members() {
      return List.of(first, second);
    }

    @Override
    public String jobId() {
      return "measure-link-%s-%s".formatted(first.id(), second.id());
    }

    @Override
    public Precision precision() {
      return Precision.PRECISION_F32;
    }

    @Override
    public Duration deadline() {
      return DEADLINE;
    }

    @Override
    public void addTask(WorkOrder.Builder order) {
      order.setMeasureLink(MeasureLink.getDefaultInstance());
    }
  }
}
