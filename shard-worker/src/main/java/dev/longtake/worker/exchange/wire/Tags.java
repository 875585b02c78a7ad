package dev.longtake.worker.exchange.wire;

import com.google.protobuf.WireFormat;
import dev.longtake.v1.ExchangeChunk;
import dev.longtake.v1.ExchangeMessage;
import dev.longtake.v1.ExchangeSlot;

/** Protobuf tags of the fields that are read and written by hand. */
final class Tags {
  static final int LENGTH_DELIMITED = WireFormat.WIRETYPE_LENGTH_DELIMITED;

  static final int CHUNK = of(ExchangeMessage.CHUNK_FIELD_NUMBER, LENGTH_DELIMITED);
  static final int JOB_ID = of(ExchangeChunk.JOB_ID_FIELD_NUMBER, LENGTH_DELIMITED);
  static final int ATTEMPT = of(ExchangeChunk.ATTEMPT_FIELD_NUMBER, WireFormat.WIRETYPE_VARINT);
  static final int FROM_RANK = of(ExchangeChunk.FROM_RANK_FIELD_NUMBER, WireFormat.WIRETYPE_VARINT);
  static final int LANE = of(ExchangeChunk.LANE_FIELD_NUMBER, WireFormat.WIRETYPE_VARINT);
  static final int PLACE = of(ExchangeChunk.PLACE_FIELD_NUMBER, LENGTH_DELIMITED);
  static final int POINT = of(ExchangeChunk.POINT_FIELD_NUMBER, WireFormat.WIRETYPE_VARINT);
  static final int TOTAL_BYTES =
      of(ExchangeChunk.TOTAL_BYTES_FIELD_NUMBER, WireFormat.WIRETYPE_VARINT);
  static final int OFFSET_BYTES =
      of(ExchangeChunk.OFFSET_BYTES_FIELD_NUMBER, WireFormat.WIRETYPE_VARINT);
  static final int PAYLOAD = of(ExchangeChunk.PAYLOAD_FIELD_NUMBER, LENGTH_DELIMITED);
  static final int CRC32C = of(ExchangeChunk.CRC32C_FIELD_NUMBER, WireFormat.WIRETYPE_FIXED32);

  static final int SLOT = of(ExchangeChunk.SLOT_FIELD_NUMBER, LENGTH_DELIMITED);
  static final int SLOT_OFFSET = of(ExchangeSlot.OFFSET_FIELD_NUMBER, WireFormat.WIRETYPE_VARINT);
  static final int SLOT_BYTES = of(ExchangeSlot.BYTES_FIELD_NUMBER, WireFormat.WIRETYPE_VARINT);

  private Tags() {}

  private static int of(int field, int wireType) {
    return field << 3 | wireType;
  }
}
