package dev.longtake.worker;

import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What SIGTERM does: the first one runs an action, a second one ends the process at once, as every one does by default. The JDK's way to
 * it is {@code sun.misc.Signal}, which the compiler warns of and offers no way not to; hence by reflection.
 */
final class TerminationSignal {
  private static final Logger LOG = LoggerFactory.getLogger(TerminationSignal.class);

  /** 128 and the signal's number: what a process that SIGTERM ended has for a status. */
  private static final int STATUS = 143;

  private TerminationSignal() {}

  /** Runs an action, which must not block, at the first signal, on a thread of the JVM. Without signals does nothing. */
  static void onFirst(Runnable action) {
    var received = new AtomicBoolean();
    try {
      Class<?> signal = Class.forName("sun.misc.Signal");
      Class<?> handler = Class.forName("sun.misc.SignalHandler");
      Object mine =
          Proxy.newProxyInstance(
              TerminationSignal.class.getClassLoader(),
              new Class<?>[] {handler},
              (proxy, method, arguments) -> {
                if (received.compareAndSet(false, true)) {
                  action.run();
                } else {
                  Runtime.getRuntime().exit(STATUS);
                }
                return null;
              });
      signal
          .getMethod("handle", signal, handler)
          .invoke(null, signal.getConstructor(String.class).newInstance("TERM"), mine);
    } catch (ReflectiveOperationException e) {
      // The JVM was told to leave signals alone (-Xrs), or the system has none.
      LOG.warn("SIGTERM will end this worker without a drain: {}", String.valueOf(e.getCause()));
    }
  }
}
