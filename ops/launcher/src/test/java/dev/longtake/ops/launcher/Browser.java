package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A headless Chromium with one page, as its user has it: what is seen, typed and pressed. */
final class Browser implements AutoCloseable {
  private static final int PATIENCE_MILLIS = 40_000;
  private static final int MAX_TABS = 60;
  private static final long END_SECONDS = 10;
  private static final Pattern LISTENING = Pattern.compile("DevTools listening on (ws://\\S+)");

  private final Process process;
  private final DevTools tools;
  private final String session;
  private final Queue<String> problems = new ConcurrentLinkedQueue<>();

  private Browser(Process process, URI address) {
    this.process = process;
    this.tools = new DevTools(address, this::happened);
    String target =
        tools
            .send("", "Target.createTarget", json("{'url':'about:blank'}"))
            .get("targetId")
            .getAsString();
    this.session =
        tools
            .send(
                "",
                "Target.attachToTarget",
                json("{'targetId':'%s','flatten':true}".formatted(target)))
            .get("sessionId")
            .getAsString();
    for (String domain : List.of("Page", "Runtime", "Log", "Network")) {
      send(domain + ".enable", json("{}"));
    }
  }

  /** Whether this machine has it, as Debian's package {@code chromium} installs it. */
  static boolean isInstalled() {
    return PrometheusServer.run("chromium", "--version").status() == 0;
  }

  /**
   * Starts it.
   *
   * @param folder for its profile and log
   */
  static Browser start(Path folder) throws IOException {
    Process process =
        new ProcessBuilder(
                "chromium",
                "--headless=new",
                // Continuous integration runs as root, and in containers without enough shared
                // memory.
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--disable-background-networking",
                "--no-first-run",
                "--remote-debugging-port=0",
                "--user-data-dir=" + folder.resolve("chromium"))
            .redirectErrorStream(true)
            .start();
    boolean isReady = false;
    try {
      Browser browser = new Browser(process, address(process));
      isReady = true;
      return browser;
    } finally {
      if (!isReady) {
        process.destroyForcibly();
      }
    }
  }

  /** What it prints first; the rest is read and forgotten, so that it never waits for a reader. */
  private static URI address(Process process) throws IOException {
    BufferedReader lines = process.inputReader();
    String line = lines.readLine();
    while (line != null) {
      Matcher matcher = LISTENING.matcher(line);
      if (matcher.find()) {
        Thread.ofVirtual().start(() -> lines.lines().forEach(_ -> {}));
        return URI.create(matcher.group(1));
      }
      line = lines.readLine();
    }
    throw new AssertionError("Expected Chromium to say where it listens, but it ended");
  }

  private static JsonObject json(String text) {
    return JsonParser.parseString(text).getAsJsonObject();
  }

  private JsonObject send(String method, JsonObject parameters) {
    return tools.send(session, method, parameters);
  }

  private void happened(String method, JsonObject event) {
    switch (method) {
      case "Runtime.exceptionThrown" -> problems.add(event.toString());
      case "Runtime.consoleAPICalled" -> {
        if (List.of("error", "warning", "assert").contains(event.get("type").getAsString())) {
          problems.add(event.toString());
        }
      }
      // Also what the network and the content security policy have to complain about.
      case "Log.entryAdded" -> problems.add(event.toString());
      default -> {}
    }
  }

  /** What console and network complained about since the last call. */
  List<String> problems() {
    List<String> found = List.copyOf(problems);
    problems.removeAll(found);
    return found;
  }

  /** Opens a page and waits until its script has run. */
  void open(String url) {
    send("Page.navigate", json("{'url':'%s'}".formatted(url)));
    await("document.readyState === 'complete' && location.href.startsWith('%s')".formatted(url));
  }

  /** The value of an expression; a promise is waited for. */
  JsonElement value(String expression) {
    JsonObject parameters = json("{'returnByValue':true,'awaitPromise':true,'userGesture':true}");
    parameters.addProperty("expression", expression);
    JsonObject result = send("Runtime.evaluate", parameters);
    assertThat(result.has("exceptionDetails")).as("%s: %s", expression, result).isFalse();
    JsonElement value = result.getAsJsonObject("result").get("value");
    return value == null ? JsonNull.INSTANCE : value;
  }

  String text(String expression) {
    return value(expression).getAsString();
  }

  /** Waits until an expression is true; one that throws is not. */
  void await(String expression) {
    String waiting =
        """
        new Promise((resolve) => {
          const end = Date.now() + %d;
          const look = () => {
            let isSo = false;
            try { isSo = Boolean(%s); } catch { /* not yet */ }
            if (isSo || Date.now() > end) { resolve(isSo ? '' : document.body.innerText); } else { setTimeout(look, 50); }
          };
          look();
        })
        """
            .formatted(PATIENCE_MILLIS, expression);
    String shown = text(waiting);
    assertThat(shown).as("%s within %d ms; what is shown", expression, PATIENCE_MILLIS).isEmpty();
  }

  /** Clicks the element that the selector finds and whose text contains the words. */
  void click(String selector, String words) {
    String found =
        "[...document.querySelectorAll('%s')].find((one) => one.checkVisibility() && one.textContent.includes('%s'))"
            .formatted(selector, words);
    await(found);
    value(found + ".click()");
  }

  void press(Keystroke key) {
    for (String type : List.of("keyDown", "keyUp")) {
      JsonObject parameters =
          json(
              "{'type':'%s','key':'%s','code':'%s','windowsVirtualKeyCode':%d}"
                  .formatted(type, key.key, key.key, key.code));
      if (type.equals("keyDown") && !key.text.isEmpty()) {
        parameters.addProperty("text", key.text);
      }
      send("Input.dispatchKeyEvent", parameters);
    }
  }

  /** Presses Tab until the element with the focus is the one. */
  void tabTo(String selector) {
    for (int i = 0; i < MAX_TABS; i++) {
      press(Keystroke.TAB);
      if (value("document.activeElement.matches('%s')".formatted(selector)).getAsBoolean()) {
        return;
      }
    }
    throw new AssertionError("Expected to come to %s by Tab".formatted(selector));
  }

  void type(String text) {
    JsonObject parameters = json("{}");
    parameters.addProperty("text", text);
    send("Input.insertText", parameters);
  }

  void size(int width, int height) {
    send(
        "Emulation.setDeviceMetricsOverride",
        json(
            "{'width':%d,'height':%d,'deviceScaleFactor':1,'mobile':false}"
                .formatted(width, height)));
  }

  /** @param scheme dark or light */
  void prefer(String scheme) {
    send(
        "Emulation.setEmulatedMedia",
        json("{'features':[{'name':'prefers-color-scheme','value':'%s'}]}".formatted(scheme)));
  }

  void network(boolean isThere) {
    send(
        "Network.emulateNetworkConditions",
        json(
            "{'offline':%s,'latency':0,'downloadThroughput':-1,'uploadThroughput':-1}"
                .formatted(!isThere)));
  }

  void screenshot(Path file) throws IOException {
    String png = send("Page.captureScreenshot", json("{'format':'png'}")).get("data").getAsString();
    Files.write(file, Base64.getDecoder().decode(png));
  }

  /** Kills it. */
  @Override
  public void close() {
    tools.close();
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
    try {
      assertThat(process.waitFor(END_SECONDS, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
