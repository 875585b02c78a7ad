import dev.longtake.client.LongtakeClient;
import dev.longtake.client.VideoRequest;
import dev.longtake.v1.Job;
import java.nio.file.Path;

/** Makes a video: {@code OneVideo HOST:PORT PROMPT FILE}. */
public class OneVideo {
  public static void main(String[] arguments) {
    try (var client = LongtakeClient.builder().address(arguments[0]).build()) {
      Job job = client.submit(VideoRequest.of(arguments[1]).build());
      job = client.watch(job.getId(), event -> System.out.println(event.getEventCase()));
      client.download(job.getId(), Path.of(arguments[2]));
      System.out.println("SHA-256 " + job.getVideo().getSha256());
    }
  }
}
