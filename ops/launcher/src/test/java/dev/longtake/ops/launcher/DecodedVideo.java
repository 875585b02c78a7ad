package dev.longtake.ops.launcher;

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
import static org.bytedeco.ffmpeg.global.avformat.avformat_find_stream_info;
import static org.bytedeco.ffmpeg.global.avformat.avformat_open_input;
import static org.bytedeco.ffmpeg.global.avutil.AV_PIX_FMT_RGB24;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_alloc;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_free;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_get_buffer;
import static org.bytedeco.ffmpeg.global.avutil.av_frame_unref;
import static org.bytedeco.ffmpeg.global.avutil.av_q2d;
import static org.bytedeco.ffmpeg.global.swscale.SWS_POINT;
import static org.bytedeco.ffmpeg.global.swscale.sws_freeContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_getContext;
import static org.bytedeco.ffmpeg.global.swscale.sws_scale;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.ffmpeg.avcodec.AVCodecContext;
import org.bytedeco.ffmpeg.avcodec.AVPacket;
import org.bytedeco.ffmpeg.avformat.AVFormatContext;
import org.bytedeco.ffmpeg.avformat.AVStream;
import org.bytedeco.ffmpeg.avutil.AVDictionary;
import org.bytedeco.ffmpeg.avutil.AVFrame;
import org.bytedeco.ffmpeg.swscale.SwsContext;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.PointerPointer;

/**
 * An MP4 as a player sees it.
 *
 * @param codec FFmpeg's {@code AV_CODEC_ID_*}
 * @param pixelFormat FFmpeg's {@code AV_PIX_FMT_*} of the stream, before the conversion to RGB
 * @param frames {@code [height, width, 3]} each, red first
 */
record DecodedVideo(
    int width, int height, double fps, int codec, int pixelFormat, List<byte[]> frames) {

  static DecodedVideo read(Path file) {
    var input = new AVFormatContext(null);
    check(avformat_open_input(input, file.toString(), null, (AVDictionary) null));
    check(avformat_find_stream_info(input, (PointerPointer<?>) null));
    AVStream stream = input.streams(0);
    int codecId = stream.codecpar().codec_id();
    AVCodecContext codec = avcodec_alloc_context3(avcodec_find_decoder(codecId));
    check(avcodec_parameters_to_context(codec, stream.codecpar()));
    check(avcodec_open2(codec, avcodec_find_decoder(codecId), (AVDictionary) null));
    var frames = new ArrayList<byte[]>();
    AVPacket packet = av_packet_alloc();
    AVFrame frame = av_frame_alloc();
    while (av_read_frame(input, packet) >= 0) {
      check(avcodec_send_packet(codec, packet));
      av_packet_unref(packet);
      receive(codec, frame, frames);
    }
    check(avcodec_send_packet(codec, null));
    receive(codec, frame, frames);
    var video =
        new DecodedVideo(
            codec.width(),
            codec.height(),
            av_q2d(stream.avg_frame_rate()),
            codecId,
            codec.pix_fmt(),
            frames);
    av_frame_free(frame);
    av_packet_free(packet);
    avcodec_free_context(codec);
    avformat_close_input(input);
    return video;
  }

  private static void receive(AVCodecContext codec, AVFrame frame, List<byte[]> frames) {
    while (avcodec_receive_frame(codec, frame) >= 0) {
      frames.add(rgb(frame));
      av_frame_unref(frame);
    }
  }

  private static byte[] rgb(AVFrame frame) {
    int width = frame.width();
    int height = frame.height();
    SwsContext scaler =
        sws_getContext(
            width,
            height,
            frame.format(),
            width,
            height,
            AV_PIX_FMT_RGB24,
            SWS_POINT,
            null,
            null,
            (DoublePointer) null);
    AVFrame rgb = av_frame_alloc();
    rgb.format(AV_PIX_FMT_RGB24);
    rgb.width(width);
    rgb.height(height);
    check(av_frame_get_buffer(rgb, 0));
    sws_scale(scaler, frame.data(), frame.linesize(), 0, height, rgb.data(), rgb.linesize());
    byte[] pixels = new byte[width * height * 3];
    for (int y = 0; y < height; y++) {
      rgb.data(0).position((long) y * rgb.linesize(0)).get(pixels, y * width * 3, width * 3);
    }
    av_frame_free(rgb);
    sws_freeContext(scaler);
    return pixels;
  }

  private static void check(int result) {
    if (result < 0) {
      throw new AssertionError("FFmpeg failed with " + result);
    }
  }
}
