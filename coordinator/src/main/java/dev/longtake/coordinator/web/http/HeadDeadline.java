package dev.longtake.coordinator.web.http;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.io.Connection;
import org.eclipse.jetty.io.EndPoint;
import org.eclipse.jetty.server.ConnectionMetaData;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.thread.Scheduler;

/**
 * Ends connections on which no request is answered, a while after they were opened or the last answer ended, however many bytes came
 * since: a client that sends its headers byte by byte ("slow loris") keeps an idle timeout from ever passing. Thread-safe.
 */
public final class HeadDeadline extends Handler.Wrapper implements Connection.Listener {
  private final Duration patience;
  private final Scheduler scheduler;
  private final HttpMeters meters;
  private final Map<EndPoint, Scheduler.Task> deadlines = new ConcurrentHashMap<>();

  /**
   * @param handler answers requests
   * @param scheduler the server's
   */
  public HeadDeadline(Handler handler, Duration patience, Scheduler scheduler, HttpMeters meters) {
    super(handler);
    this.patience = patience;
    this.scheduler = scheduler;
    this.meters = meters;
  }

  @Override
  public void onOpened(Connection connection) {
    // Below TLS there is another one, which speaks no HTTP.
    if (connection instanceof ConnectionMetaData) {
      meters.connected();
      arm(connection.getEndPoint());
    }
  }

  @Override
  public void onClosed(Connection connection) {
    if (connection instanceof ConnectionMetaData) {
      meters.disconnected();
      disarm(connection.getEndPoint());
    }
  }

  @Override
  public boolean handle(Request request, Response response, Callback callback) throws Exception {
    EndPoint endPoint = request.getConnectionMetaData().getConnection().getEndPoint();
    disarm(endPoint);
    Request.addCompletionListener(request, _ -> arm(endPoint));
    return super.handle(request, response, callback);
  }

  private void arm(EndPoint endPoint) {
    deadlines.put(
        endPoint, scheduler.schedule(endPoint::close, patience.toNanos(), TimeUnit.NANOSECONDS));
    if (!endPoint.isOpen()) {
      disarm(endPoint);
    }
  }

  private void disarm(EndPoint endPoint) {
    Scheduler.Task deadline = deadlines.remove(endPoint);
    if (deadline != null) {
      deadline.cancel();
    }
  }
}
