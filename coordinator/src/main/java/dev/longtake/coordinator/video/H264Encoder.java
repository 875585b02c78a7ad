package dev.longtake.coordinator.video;

import static dev.longtake.coordinator.video.Ffmpeg.check;
import static dev.longtake.coordinator.video.Ffmpeg.checkWritten;
import static dev.longtake.coordinator.video.Ffmpeg.held;
import static dev.longtake.coordinator.video.Ffmpeg.present;
import static org.bytedeco.ffmpeg.avformat.AVFormatContext.AVFMT_AVOID_NEG_TS_MAKE_NON_NEGATIVE;
import static org.bytedeco.ffmpeg.avformat.AVFormatContext.AVFMT_FLAG_BITEXACT;
import static org.bytedeco.ffmpeg.global.avcodec.AV_CODEC_FLAG_BITEXACT;
import static org.bytedeco.ffmpeg.global.avcodec.AV_CODEC_FLAG_GLOBAL_HEADER;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_alloc;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_free;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_rescale_ts;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_unref;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_alloc_context3;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_find_encoder_by_name;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_free_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_open2;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_parameters_from_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_receive_packet;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_send_frame;
import static org.bytedeco.ffmpeg.global.avformat.AVIO_FLAG_WRITE;
import static org.bytedeco.ffmpeg.global.avformat.av_interleaved_write_frame;
import static org.bytedeco.ffmpeg.global.avformat.av_write_trailer;
import static org.bytedeco.ffmpeg.global.avformat.avformat_alloc_output_context2;
import static org.bytedeco.ffmpeg.global.avformat.avformat_free_context;
import static org.bytedeco.ffmpeg.global.avformat.avformat_new_stream;
import static org.bytedeco.ffmpeg.global.avformat.avformat_write_header;
import static org.bytedeco.ffmpeg.global.avformat.avio_closep;
import static org.bytedeco.ffmpeg.global.avformat.avio_open;
import static org.bytedeco.ffmpeg.global.avutil.AVCOL_PRI_BT709;
import static org.bytedeco.ffmpeg.global.avutil.AVCOL_RANGE_MPEG;
import static org.bytedeco.ffmpeg.global.avutil.AVCOL_SPC_BT709;
import static org.bytedeco.ffmpeg.global.avutil.AVCOL_SPC_SMPTE170M;
import static org.bytedeco.ffmpeg.global.avutil.AVCOL_TRC_IEC61966_2_1;
import static org.bytedeco.ffmpeg.global.avutil.AVERROR_EAGAIN;
import static org.bytedeco.ffmpeg.global.avutil.AVERROR_EOF;
import static org.bytedeco.ffmpeg.global.avutil.AV_LOG_ERROR;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_RGB24;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_YUV420P;
import static org.bytedeco.ffmpeg.global.avutil.av_d2q;
import static org.bytedeco.ffmpeg.global.avutil.av_dict_free;
import static org.bytedeco.ffmpeg.global.avutil.av_dict_set;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_alloc;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_free;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_get_buffer;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_make_writable;
import static org.bytedeco.ffmpeg.global.avutil.av_inv_q;
import static org.bytedeco.ffmpeg.global.avutil.av_log_set_level;
import static org.bytedeco.ffmpeg.global.swscale.SWS_ACCURATE_RND;
import static org.bytedeco.ffmpeg.global.swscale.SWS_BICUBIC;
import static org.bytedeco.ffmpeg.global.swscale.SWS_CS_ITU601;
import static org.bytedeco.ffmpeg.global.swscale.SWS_CS_ITU709;
import static org.bytedeco.ffmpeg.global.swscale.SWS_FULL_CHR_H_INP;
import static org.bytedeco.ffmpeg.global.swscale.SWS_FULL_CHR_H_INT;
import static org.bytedeco.ffmpeg.global.swscale.sws_freeContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_getCoefficients;
import static org.bytedeco.ffmpeg.global.swscale.sws_getContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_scale;
import static org.bytedeco.ffmpeg.global.swscale.sws_setColorspaceDetails;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.bytedeco.ffmpeg.avcodec.AVCodec;
import org.bytedeco.ffmpeg.avcodec.AVCodecContext;
import org.bytedeco.ffmpeg.avcodec.AVPacket;
import org.bytedeco.ffmpeg.avformat.AVFormatContext;
import org.bytedeco.ffmpeg.avformat.AVIOContext;
import org.bytedeco.ffmpeg.avformat.AVStream;
import org.bytedeco.ffmpeg.avutil.AVDictionary;
import org.bytedeco.ffmpeg.avutil.AVFrame;
import org.bytedeco.ffmpeg.avutil.AVRational;
import org.bytedeco.ffmpeg.swscale.SwsContext;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.IntPointer;
import org.jspecify.annotations.Nullable;

/**
 * FFmpeg's part of {@link SegmentWriter}: RGB to enlarged yuv420p (swscale), to H.264 (OpenH264), to a fragmented MP4 (avformat), in which
 * every key frame begins a fragment. It owns every native object it made; {@link #close} frees them, also after a failed {@link #open}.
 */
final class H264Encoder implements AutoCloseable {
  /** From here on players assume BT.709, below BT.601, when they don't read the tags; so the tags say the same. */
  private static final int HD_HEIGHT_PIXELS = 720;

  /**
   * The range of H.264's quantiser (0 best, 51 worst) that OpenH264 may use. At 18 flat colours and edges of rendered
   * clips show no blocks; 10 keeps still images from wasting bytes.
   */
  private static final int MIN_QUANTIZER = 10;

  private static final int MAX_QUANTIZER = 18;

  /** Far above what the quantiser range asks for, so that the rate never decides: bits per pixel and frame. */
  private static final int BITS_PER_PIXEL = 4;

  private static final long MAX_BITS_PER_SECOND = 200_000_000L;

  /** Seconds between frames where playback can start. */
  private static final double KEY_FRAME_SECONDS = 2;

  /** Largest denominator of the frame rate; 1001 and its multiples carry the rates of television exactly. */
  private static final int MAX_RATE_TERM = 1_001_000;

  /** Times go on from the segment before; no list of fragments at the end, where the next segment follows. */
  private static final String FRAGMENTS =
      "+empty_moov+default_base_moof+frag_keyframe+frag_discont+skip_trailer";

  static {
    av_log_set_level(AV_LOG_ERROR);
  }

  private final Path file;
  private final VideoFormat format;
  private final long firstFrame;
  private @Nullable AVFormatContext container;
  private @Nullable AVCodecContext codec;
  private @Nullable AVStream stream;
  private @Nullable SwsContext scaler;
  private @Nullable AVFrame rgb;
  private @Nullable AVFrame yuv;
  private @Nullable AVPacket packet;

  private H264Encoder(Path file, VideoFormat format, long firstFrame) {
    this.file = file;
    this.format = format;
    this.firstFrame = firstFrame;
  }

  /**
   * @param firstFrame index of the first frame in the whole video; its bytes depend on it
   */
  static H264Encoder open(Path file, VideoFormat format, long firstFrame) {
    H264Encoder encoder = new H264Encoder(file, format, firstFrame);
    try {
      encoder.openContainer();
      encoder.openCodec();
      encoder.openFrames();
      encoder.openStream();
      return encoder;
    } catch (Throwable e) {
      encoder.close();
      throw e;
    }
  }

  private void openContainer() {
    AVFormatContext created = new AVFormatContext(null);
    check(
        avformat_alloc_output_context2(created, null, "mp4", file.toString()),
        "make an MP4 container");
    container = created;
    // No version, no date: the same frames give the same bytes.
    created.flags(created.flags() | AVFMT_FLAG_BITEXACT);
    // Else the times of every segment would be shifted to begin at 0.
    created.avoid_negative_ts(AVFMT_AVOID_NEG_TS_MAKE_NON_NEGATIVE);
  }

  private void openCodec() {
    AVCodec h264 = present(avcodec_find_encoder_by_name("libopenh264"), "find OpenH264");
    AVCodecContext context = present(avcodec_alloc_context3(h264), "make an encoder");
    codec = context;
    context.width(format.outputWidth());
    context.height(format.outputHeight());
    context.pix_fmt(AV_PIX_FMT_YUV420P);
    try (AVRational rate = av_d2q(format.fps(), MAX_RATE_TERM);
        AVRational ticks = av_inv_q(rate)) {
      context.framerate(rate);
      context.time_base(ticks);
    }
    context.gop_size((int) Math.max(1, Math.round(KEY_FRAME_SECONDS * format.fps())));
    double pixels = (double) format.outputWidth() * format.outputHeight();
    context.bit_rate((long) Math.min(MAX_BITS_PER_SECOND, pixels * format.fps() * BITS_PER_PIXEL));
    context.qmin(MIN_QUANTIZER);
    context.qmax(MAX_QUANTIZER);
    context.thread_count(1);
    // The model's pixels are sRGB: BT.709's primaries and sRGB's curve; the matrix is the one the
    // scaler applies.
    context.color_range(AVCOL_RANGE_MPEG);
    context.color_primaries(AVCOL_PRI_BT709);
    context.color_trc(AVCOL_TRC_IEC61966_2_1);
    context.colorspace(isHd() ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M);
    context.flags(context.flags() | AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT);
    try (AVDictionary options = new AVDictionary(null)) {
      av_dict_set(options, "rc_mode", "quality", 0);
      av_dict_set(options, "allow_skip_frames", "0", 0);
      av_dict_set(options, "profile", "high", 0);
      int result = avcodec_open2(context, h264, options);
      av_dict_free(options);
      check(result, "open OpenH264");
    }
  }

  private void openFrames() {
    scaler =
        present(
            sws_getContext(
                format.width(),
                format.height(),
                AV_PIX_FMT_RGB24,
                format.outputWidth(),
                format.outputHeight(),
                AV_PIX_FMT_YUV420P,
                SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP | SWS_FULL_CHR_H_INT,
                null,
                null,
                (DoublePointer) null),
            "make a scaler");
    IntPointer matrix = sws_getCoefficients(isHd() ? SWS_CS_ITU709 : SWS_CS_ITU601);
    // Full-range RGB to limited-range YUV; brightness 0, contrast and saturation 1 in 16.16 fixed
    // point.
    check(
        sws_setColorspaceDetails(scaler, matrix, 1, matrix, 0, 0, 1 << 16, 1 << 16),
        "set the colour matrix");
    rgb = frame(AV_PIX_FMT_RGB24, format.width(), format.height());
    yuv = frame(AV_PIX_FMT_YUV420P, format.outputWidth(), format.outputHeight());
    packet = present(av_packet_alloc(), "make a packet");
  }

  private AVFrame frame(int pixelFormat, int width, int height) {
    AVFrame frame = present(av_frame_alloc(), "make a frame");
    frame.format(pixelFormat);
    frame.width(width);
    frame.height(height);
    int result = av_frame_get_buffer(frame, 0);
    if (result < 0) {
      av_frame_free(frame);
    }
    check(result, "allocate a frame of %d x %d".formatted(width, height));
    return frame;
  }

  private void openStream() {
    AVFormatContext out = held(container);
    AVStream created = present(avformat_new_stream(out, null), "add a video stream");
    stream = created;
    check(avcodec_parameters_from_context(created.codecpar(), held(codec)), "describe the stream");
    created.time_base(held(codec).time_base());
    created.avg_frame_rate(held(codec).framerate());
    AVIOContext io = new AVIOContext(null);
    check(avio_open(io, file.toString(), AVIO_FLAG_WRITE), "open " + file);
    out.pb(io);
    try (AVDictionary options = new AVDictionary(null)) {
      av_dict_set(options, "movflags", FRAGMENTS, 0);
      // Numbers of fragments only have to grow, and no fragment is shorter than a frame.
      av_dict_set(options, "use_editlist", "0", 0);
      av_dict_set(options, "fragment_index", Long.toString(firstFrame + 1), 0);
      int result = avformat_write_header(out, options);
      av_dict_free(options);
      checkWritten(result, "write the header");
    }
  }

  /**
   * Encodes one frame.
   *
   * @param pixels exactly one RGB frame
   * @param index in the whole video, from the first frame of this segment on
   */
  void encode(ByteBuffer pixels, long index) {
    AVFrame source = held(rgb);
    AVFrame target = held(yuv);
    byte[] row = new byte[format.width() * 3];
    BytePointer plane = source.data(0);
    for (int y = 0; y < format.height(); y++) {
      pixels.get(row);
      plane.position((long) y * source.linesize(0)).put(row, 0, row.length);
    }
    check(av_frame_make_writable(target), "reuse a frame");
    int rows =
        sws_scale(
            held(scaler),
            source.data(),
            source.linesize(),
            0,
            format.height(),
            target.data(),
            target.linesize());
    check(rows == format.outputHeight() ? 0 : -1, "scale a frame");
    target.pts(index);
    check(avcodec_send_frame(held(codec), target), "encode frame " + index);
    drain();
  }

  /** Writes what the encoder still holds. */
  void finish() {
    check(avcodec_send_frame(held(codec), null), "flush the encoder");
    drain();
    checkWritten(av_write_trailer(held(container)), "write the last fragment");
  }

  private void drain() {
    AVPacket out = held(packet);
    AVStream track = held(stream);
    while (true) {
      int result = avcodec_receive_packet(held(codec), out);
      if (result == AVERROR_EAGAIN() || result == AVERROR_EOF()) {
        return;
      }
      check(result, "encode");
      // OpenH264 leaves the duration open; a constant rate makes it one tick, also for the last
      // frame.
      out.duration(1);
      av_packet_rescale_ts(out, held(codec).time_base(), track.time_base());
      out.stream_index(track.index());
      int written = av_interleaved_write_frame(held(container), out);
      av_packet_unref(out);
      checkWritten(written, "write " + file);
    }
  }

  private boolean isHd() {
    return format.outputHeight() >= HD_HEIGHT_PIXELS;
  }

  /** Frees everything, in the reverse order of its making. Closing twice has no effect. */
  @Override
  public void close() {
    if (packet != null) {
      av_packet_free(packet);
      packet = null;
    }
    if (yuv != null) {
      av_frame_free(yuv);
      yuv = null;
    }
    if (rgb != null) {
      av_frame_free(rgb);
      rgb = null;
    }
    if (scaler != null) {
      sws_freeContext(scaler);
      scaler = null;
    }
    if (codec != null) {
      avcodec_free_context(codec);
      codec = null;
    }
    stream = null; // the container's
    if (container != null) {
      AVIOContext io = container.pb();
      if (io != null && !io.isNull()) {
        avio_closep(io);
      }
      avformat_free_context(container);
      container = null;
    }
  }
}
