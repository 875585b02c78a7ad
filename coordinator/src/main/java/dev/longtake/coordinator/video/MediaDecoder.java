package dev.longtake.coordinator.video;

import static dev.longtake.coordinator.video.Ffmpeg.check;
import static dev.longtake.coordinator.video.Ffmpeg.held;
import static dev.longtake.coordinator.video.Ffmpeg.present;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_alloc;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_free;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_unref;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_alloc_context3;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_find_decoder;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_free_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_open2;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_parameters_to_context;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_receive_frame;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_send_packet;
import static org.bytedeco.ffmpeg.global.avformat.av_read_frame;
import static org.bytedeco.ffmpeg.global.avformat.avformat_close_input;
import static org.bytedeco.ffmpeg.global.avformat.avformat_open_input;
import static org.bytedeco.ffmpeg.global.avutil.AVCOL_RANGE_JPEG;
import static org.bytedeco.ffmpeg.global.avutil.AVCOL_SPC_BT709;
import static org.bytedeco.ffmpeg.global.avutil.AVCOL_SPC_UNSPECIFIED;
import static org.bytedeco.ffmpeg.global.avutil.AVERROR_EAGAIN;
import static org.bytedeco.ffmpeg.global.avutil.AVERROR_EOF;
import static org.bytedeco.ffmpeg.global.avutil.AVMEDIA_TYPE_VIDEO;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_RGB24;
import static org.bytedeco.ffmpeg.global.avutil.av_dict_free;
import static org.bytedeco.ffmpeg.global.avutil.av_dict_set;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_alloc;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_free;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_get_buffer;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_unref;
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

import dev.longtake.common.error.LongtakeException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.bytedeco.ffmpeg.avcodec.AVCodec;
import org.bytedeco.ffmpeg.avcodec.AVCodecContext;
import org.bytedeco.ffmpeg.avcodec.AVPacket;
import org.bytedeco.ffmpeg.avformat.AVFormatContext;
import org.bytedeco.ffmpeg.avformat.AVStream;
import org.bytedeco.ffmpeg.avutil.AVDictionary;
import org.bytedeco.ffmpeg.avutil.AVFrame;
import org.bytedeco.ffmpeg.swscale.SwsContext;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.IntPointer;
import org.jspecify.annotations.Nullable;

/**
 * FFmpeg's part of {@link MediaReader}: the frames of a file as RGB of one size. It owns every native object it made; {@link #close} frees
 * them, also after a failed {@link #open}.
 */
final class MediaDecoder implements AutoCloseable {
  /** None of these formats names other files or addresses, as playlists do, which would make this server read them. */
  private static final String FORMATS =
      "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,png_pipe,jpeg_pipe,webp_pipe";

  /** Of 8192 x 8192 pixels: larger ones would take more memory than a server should lend a client. */
  private static final long MAX_PIXELS = 1L << 26;

  /** Pixels of a scaled frame before it is cropped, a side. */
  private static final int MAX_SCALED = 16_384;

  private int width;
  private int height;
  private @Nullable AVFormatContext container;
  private @Nullable AVCodecContext codec;
  private @Nullable AVPacket packet;
  private @Nullable AVFrame decoded;
  private @Nullable AVFrame scaled;
  private @Nullable SwsContext scaler;
  private int track = -1;
  private boolean drained;

  private MediaDecoder(int width, int height) {
    this.width = width;
    this.height = height;
  }

  /**
   * @param width of the frames that are wanted
   * @param height of the frames that are wanted
   * @throws LongtakeException INVALID_REQUEST when the file has no frames that can be read
   */
  static MediaDecoder open(Path file, int width, int height) {
    MediaDecoder decoder = new MediaDecoder(width, height);
    try {
      decoder.openContainer(file);
      decoder.openCodec();
      return decoder;
    } catch (Throwable e) {
      decoder.close();
      throw e;
    }
  }

  /**
   * Frames of the file's own size.
   *
   * @throws LongtakeException INVALID_REQUEST when the file has no frames that can be read
   */
  static MediaDecoder open(Path file) {
    MediaDecoder decoder = open(file, 0, 0);
    decoder.width = held(decoder.codec).width();
    decoder.height = held(decoder.codec).height();
    return decoder;
  }

  int width() {
    return width;
  }

  int height() {
    return height;
  }

  private void openContainer(Path file) {
    AVFormatContext opened = new AVFormatContext(null);
    int result;
    try (AVDictionary options = new AVDictionary(null)) {
      av_dict_set(options, "format_whitelist", FORMATS, 0);
      av_dict_set(options, "protocol_whitelist", "file", 0);
      result = avformat_open_input(opened, file.toString(), null, options);
      av_dict_free(options);
    }
    if (result < 0) {
      throw invalid("it is none of these");
    }
    container = opened;
    for (int i = 0; i < opened.nb_streams() && track < 0; i++) {
      if (opened.streams(i).codecpar().codec_type() == AVMEDIA_TYPE_VIDEO) {
        track = i;
      }
    }
    if (track < 0) {
      throw invalid("it has no pictures");
    }
  }

  private void openCodec() {
    AVStream stream = held(container).streams(track);
    AVCodec found = avcodec_find_decoder(stream.codecpar().codec_id());
    if (found == null || found.isNull()) {
      throw invalid("its pictures are coded in a way that can't be read");
    }
    AVCodecContext context = present(avcodec_alloc_context3(found), "make a decoder");
    codec = context;
    context.max_pixels(MAX_PIXELS);
    context.thread_count(1);
    if (avcodec_parameters_to_context(context, stream.codecpar()) < 0
        || avcodec_open2(context, found, (AVDictionary) null) < 0) {
      throw invalid("its pictures can't be decoded");
    }
    packet = present(av_packet_alloc(), "make a packet");
    decoded = present(av_frame_alloc(), "make a frame");
  }

  /**
   * The next frame.
   *
   * @return RGB, [height, width, 3]; null at the end
   * @throws LongtakeException INVALID_REQUEST when it can't be decoded
   */
  @Nullable ByteBuffer next() {
    while (true) {
      int result = avcodec_receive_frame(held(codec), held(decoded));
      if (result == 0) {
        ByteBuffer frame = scale(held(decoded));
        av_frame_unref(held(decoded));
        return frame;
      }
      if (result == AVERROR_EOF()) {
        return null;
      }
      if (result != AVERROR_EAGAIN()) {
        throw invalid("its pictures are damaged");
      }
      feed();
    }
  }

  private void feed() {
    AVPacket in = held(packet);
    while (!drained) {
      int result = av_read_frame(held(container), in);
      if (result < 0) {
        drained = true;
        // No packet: what the decoder still holds comes out.
        avcodec_send_packet(held(codec), null);
        return;
      }
      boolean isOurs = in.stream_index() == track;
      int sent = isOurs ? avcodec_send_packet(held(codec), in) : 0;
      av_packet_unref(in);
      if (sent < 0) {
        throw invalid("its pictures are damaged or larger than %d pixels".formatted(MAX_PIXELS));
      }
      if (isOurs) {
        return;
      }
    }
  }

  private ByteBuffer scale(AVFrame source) {
    if (scaler == null) {
      openScaler(source);
    }
    AVFrame target = held(scaled);
    if (source.width() != held(codec).width() || source.height() != held(codec).height()) {
      throw invalid("its pictures change their size");
    }
    int rows =
        sws_scale(
            held(scaler),
            source.data(),
            source.linesize(),
            0,
            source.height(),
            target.data(),
            target.linesize());
    check(rows == target.height() ? 0 : -1, "scale a frame");
    ByteBuffer rgb = ByteBuffer.allocate(width * height * 3);
    int left = (target.width() - width) / 2;
    int top = (target.height() - height) / 2;
    byte[] row = new byte[width * 3];
    for (int y = 0; y < height; y++) {
      target
          .data(0)
          .position((long) (top + y) * target.linesize(0) + left * 3L)
          .get(row, 0, row.length);
      rgb.put(row);
    }
    return rgb.flip();
  }

  /** To the smallest size of the same shape that covers the one that is wanted. */
  private void openScaler(AVFrame source) {
    double factor = Math.max((double) width / source.width(), (double) height / source.height());
    int scaledWidth = Math.max(width, (int) Math.round(source.width() * factor));
    int scaledHeight = Math.max(height, (int) Math.round(source.height() * factor));
    if (scaledWidth > MAX_SCALED || scaledHeight > MAX_SCALED) {
      throw invalid(
          "its pictures of %d x %d pixels have a shape too far from %d x %d"
              .formatted(source.width(), source.height(), width, height));
    }
    SwsContext made =
        present(
            sws_getContext(
                source.width(),
                source.height(),
                source.format(),
                scaledWidth,
                scaledHeight,
                AV_PIX_FMT_RGB24,
                SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP | SWS_FULL_CHR_H_INT,
                null,
                null,
                (DoublePointer) null),
            "make a scaler");
    scaler = made;
    boolean isHd =
        source.colorspace() == AVCOL_SPC_BT709
            || (source.colorspace() == AVCOL_SPC_UNSPECIFIED && source.height() >= 720);
    IntPointer matrix = sws_getCoefficients(isHd ? SWS_CS_ITU709 : SWS_CS_ITU601);
    int range = source.color_range() == AVCOL_RANGE_JPEG ? 1 : 0;
    // Has no effect, and says so, where the source is RGB.
    sws_setColorspaceDetails(made, matrix, range, matrix, 1, 0, 1 << 16, 1 << 16);
    AVFrame target = present(av_frame_alloc(), "make a frame");
    scaled = target;
    target.format(AV_PIX_FMT_RGB24);
    target.width(scaledWidth);
    target.height(scaledHeight);
    check(
        av_frame_get_buffer(target, 0),
        "allocate a frame of %d x %d".formatted(scaledWidth, scaledHeight));
  }

  static LongtakeException invalid(String problem) {
    return LongtakeException.invalidField(
        "media",
        "Expected a picture (PNG, JPEG, WebP) or a video (MP4, MOV, WebM), but " + problem);
  }

  /** Frees everything, in the reverse order of its making. Closing twice has no effect. */
  @Override
  public void close() {
    if (scaled != null) {
      av_frame_free(scaled);
      scaled = null;
    }
    if (scaler != null) {
      sws_freeContext(scaler);
      scaler = null;
    }
    if (decoded != null) {
      av_frame_free(decoded);
      decoded = null;
    }
    if (packet != null) {
      av_packet_free(packet);
      packet = null;
    }
    if (codec != null) {
      avcodec_free_context(codec);
      codec = null;
    }
    if (container != null) {
      avformat_close_input(container);
      container = null;
    }
  }
}
