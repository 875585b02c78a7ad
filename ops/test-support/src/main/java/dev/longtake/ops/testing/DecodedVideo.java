package dev.longtake.ops.testing;

import static org.bytedeco.ffmpeg.global.avcodec.*;
import static org.bytedeco.ffmpeg.global.avformat.*;
import static org.bytedeco.ffmpeg.global.avutil.*;
import static org.bytedeco.ffmpeg.global.swscale.*;

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
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.PointerPointer;

/**
 * An MP4 as a player sees it.
 *
 * @param codec FFmpeg's {@code AV_CODEC_ID_*}
 * @param pixelFormat FFmpeg's {@code AV_PIX_FMT_*} of the stream, before the conversion to RGB
 * @param frames [height, width, 3] each
 * @param matrix the colour matrix that the file names
 */
public record DecodedVideo(
    int width,
    int height,
    double fps,
    int codec,
    int pixelFormat,
    int matrix,
    List<byte[]> frames) {

  /** Decodes a whole file with the matrix that it names. */
  public static DecodedVideo read(Path file) {
    AVFormatContext in = new AVFormatContext(null);
    check(avformat_open_input(in, file.toString(), null, (AVDictionary) null));
    check(avformat_find_stream_info(in, (PointerPointer<?>) null));
    AVStream stream = in.streams(0);
    AVCodecContext codec =
        avcodec_alloc_context3(avcodec_find_decoder(stream.codecpar().codec_id()));
    check(avcodec_parameters_to_context(codec, stream.codecpar()));
    check(
        avcodec_open2(
            codec, avcodec_find_decoder(stream.codecpar().codec_id()), (AVDictionary) null));
    List<byte[]> frames = new ArrayList<>();
    AVPacket packet = av_packet_alloc();
    AVFrame frame = av_frame_alloc();
    while (av_read_frame(in, packet) >= 0) {
      check(avcodec_send_packet(codec, packet));
      av_packet_unref(packet);
      drain(codec, frame, frames);
    }
    check(avcodec_send_packet(codec, null));
    drain(codec, frame, frames);
    DecodedVideo video =
        new DecodedVideo(
            codec.width(),
            codec.height(),
            av_q2d(stream.avg_frame_rate()),
            stream.codecpar().codec_id(),
            codec.pix_fmt(),
            stream.codecpar().color_space(),
            frames);
    av_frame_free(frame);
    av_packet_free(packet);
    avcodec_free_context(codec);
    avformat_close_input(in);
    return video;
  }

  private static void drain(AVCodecContext codec, AVFrame frame, List<byte[]> frames) {
    while (avcodec_receive_frame(codec, frame) >= 0) {
      frames.add(toRgb(frame));
      av_frame_unref(frame);
    }
  }

  private static byte[] toRgb(AVFrame frame) {
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
            SWS_POINT | SWS_ACCURATE_RND,
            null,
            null,
            (DoublePointer) null);
    IntPointer matrix =
        sws_getCoefficients(frame.colorspace() == AVCOL_SPC_BT709 ? SWS_CS_ITU709 : SWS_CS_ITU601);
    sws_setColorspaceDetails(scaler, matrix, 0, matrix, 1, 0, 1 << 16, 1 << 16);
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

  /** Red, green and blue of one pixel, 0 to 255. */
  public int[] pixel(int frame, int x, int y) {
    int at = (y * width + x) * 3;
    byte[] rgb = frames.get(frame);
    return new int[] {rgb[at] & 0xff, rgb[at + 1] & 0xff, rgb[at + 2] & 0xff};
  }

  private static void check(int result) {
    if (result < 0) {
      throw new AssertionError("FFmpeg failed with " + result);
    }
  }
}
