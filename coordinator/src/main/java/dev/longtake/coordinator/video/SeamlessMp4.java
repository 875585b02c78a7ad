package dev.longtake.coordinator.video;

import static dev.longtake.coordinator.video.Ffmpeg.check;
import static dev.longtake.coordinator.video.Ffmpeg.checkWritten;
import static dev.longtake.coordinator.video.Ffmpeg.present;
import static org.bytedeco.ffmpeg.avformat.AVFormatContext.AVFMT_FLAG_BITEXACT;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_alloc;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_free;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_rescale_ts;
import static org.bytedeco.ffmpeg.global.avcodec.av_packet_unref;
import static org.bytedeco.ffmpeg.global.avcodec.avcodec_parameters_copy;
import static org.bytedeco.ffmpeg.global.avformat.AVIO_FLAG_WRITE;
import static org.bytedeco.ffmpeg.global.avformat.av_interleaved_write_frame;
import static org.bytedeco.ffmpeg.global.avformat.av_read_frame;
import static org.bytedeco.ffmpeg.global.avformat.av_write_trailer;
import static org.bytedeco.ffmpeg.global.avformat.avformat_alloc_output_context2;
import static org.bytedeco.ffmpeg.global.avformat.avformat_close_input;
import static org.bytedeco.ffmpeg.global.avformat.avformat_free_context;
import static org.bytedeco.ffmpeg.global.avformat.avformat_new_stream;
import static org.bytedeco.ffmpeg.global.avformat.avformat_open_input;
import static org.bytedeco.ffmpeg.global.avformat.avformat_write_header;
import static org.bytedeco.ffmpeg.global.avformat.avio_closep;
import static org.bytedeco.ffmpeg.global.avformat.avio_open;
import static org.bytedeco.ffmpeg.global.avutil.AVERROR_EOF;
import static org.bytedeco.ffmpeg.global.avutil.av_dict_free;
import static org.bytedeco.ffmpeg.global.avutil.av_dict_set;

import dev.longtake.common.digest.Sha256;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.files.PartFile;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.function.BooleanSupplier;
import org.bytedeco.ffmpeg.avcodec.AVPacket;
import org.bytedeco.ffmpeg.avformat.AVFormatContext;
import org.bytedeco.ffmpeg.avformat.AVIOContext;
import org.bytedeco.ffmpeg.avformat.AVStream;
import org.bytedeco.ffmpeg.avutil.AVDictionary;

/**
 * Makes of a finished {@link VideoStream} one MP4 that browsers and phones play: the same pictures, not encoded again, beginning at time
 * 0, with the index at the front. The same stream gives the same bytes.
 */
public final class SeamlessMp4 {
  private static final int HASH_BUFFER_BYTES = 1 << 16;

  private SeamlessMp4() {}

  /**
   * Writes the file, which appears under its name when it is complete and on the disk.
   *
   * @param stream a fragmented MP4 with one video track
   * @param goOn asked between pictures
   * @throws LongtakeException CANCELED when told not to go on, INTERNAL when the stream can't be read, STORAGE_UNAVAILABLE when the file
   *     can't be written
   */
  public static VideoFile write(Path stream, Path target, BooleanSupplier goOn) {
    Path part = PartFile.of(target);
    try {
      int frames = remux(stream, part, goOn);
      String sha256 = sha256(part);
      long sizeBytes;
      try (FileChannel channel = FileChannel.open(part, StandardOpenOption.WRITE)) {
        channel.force(/* metaData= */ true);
        sizeBytes = channel.size();
      }
      Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
      return new VideoFile(target, sizeBytes, sha256, frames);
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.STORAGE_UNAVAILABLE,
          "Expected room for the video %s, but it can't be written: %s".formatted(target, e),
          e);
    } finally {
      delete(part);
    }
  }

  private static int remux(Path stream, Path part, BooleanSupplier goOn) {
    AVFormatContext in = new AVFormatContext(null);
    check(avformat_open_input(in, stream.toString(), null, null), "open " + stream);
    try {
      AVFormatContext out = new AVFormatContext(null);
      check(
          avformat_alloc_output_context2(out, null, "mp4", part.toString()),
          "make an MP4 container");
      try {
        out.flags(out.flags() | AVFMT_FLAG_BITEXACT);
        AVStream track = openTrack(in, out, part);
        int frames = copy(in, out, track, goOn);
        checkWritten(av_write_trailer(out), "write the index");
        return frames;
      } finally {
        AVIOContext io = out.pb();
        if (io != null && !io.isNull()) {
          avio_closep(io);
        }
        avformat_free_context(out);
      }
    } finally {
      avformat_close_input(in);
    }
  }

  private static AVStream openTrack(AVFormatContext in, AVFormatContext out, Path part) {
    AVStream source = in.streams(0);
    AVStream track = present(avformat_new_stream(out, null), "add a video stream");
    check(avcodec_parameters_copy(track.codecpar(), source.codecpar()), "describe the stream");
    // Each container has its own tag for a codec.
    track.codecpar().codec_tag(0);
    track.time_base(source.time_base());
    track.avg_frame_rate(source.avg_frame_rate());
    AVIOContext io = new AVIOContext(null);
    check(avio_open(io, part.toString(), AVIO_FLAG_WRITE), "open " + part);
    out.pb(io);
    try (AVDictionary options = new AVDictionary(null)) {
      av_dict_set(options, "movflags", "+faststart", 0);
      int result = avformat_write_header(out, options);
      av_dict_free(options);
      checkWritten(result, "write the header");
    }
    return track;
  }

  private static int copy(
      AVFormatContext in, AVFormatContext out, AVStream track, BooleanSupplier goOn) {
    AVPacket packet = present(av_packet_alloc(), "make a packet");
    try {
      int frames = 0;
      long start = 0;
      int result = av_read_frame(in, packet);
      while (result >= 0) {
        if (!goOn.getAsBoolean()) {
          throw new LongtakeException(
              ErrorCode.CANCELED, "The job ended while its video was written");
        }
        if (frames == 0) {
          // What continues another video begins later than at 0.
          start = packet.dts();
        }
        packet.dts(packet.dts() - start);
        packet.pts(packet.pts() - start);
        packet.pos(-1);
        packet.stream_index(track.index());
        av_packet_rescale_ts(packet, in.streams(0).time_base(), track.time_base());
        checkWritten(av_interleaved_write_frame(out, packet), "write picture " + frames);
        av_packet_unref(packet);
        frames++;
        result = av_read_frame(in, packet);
      }
      if (result != AVERROR_EOF()) {
        check(result, "read the stream");
      }
      return frames;
    } finally {
      av_packet_free(packet);
    }
  }

  private static String sha256(Path file) throws IOException {
    MessageDigest digest = Sha256.start();
    byte[] buffer = new byte[HASH_BUFFER_BYTES];
    try (InputStream in = Files.newInputStream(file)) {
      for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
        digest.update(buffer, 0, count);
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static void delete(Path part) {
    try {
      Files.deleteIfExists(part);
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL, "Cannot remove the unfinished video %s: %s".formatted(part, e), e);
    }
  }
}
