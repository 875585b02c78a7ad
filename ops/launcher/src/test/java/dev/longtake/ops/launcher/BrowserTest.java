package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonElement;
import dev.longtake.client.LongtakeClient;
import dev.longtake.common.digest.Sha256;
import dev.longtake.coordinator.Coordinator;
import dev.longtake.coordinator.CoordinatorConfig;
import dev.longtake.coordinator.access.Access;
import dev.longtake.coordinator.web.HttpConfig;
import dev.longtake.coordinator.web.http.HttpLimits;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.Plan;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The page of a coordinator with three workers, of which one dies, in a real browser. Skipped where Chromium is not installed. */
class BrowserTest {
  /** What others write is text, whatever it looks like. */
  private static final String PROMPT = "a blue <i>star</i> growing on a gray background";

  private static final List<String> TABS = List.of("Overview", "Plan", "Time line", "History");
  private static final List<String> SCHEMES = List.of("light", "dark");
  private static final Path SCREENSHOTS = Path.of("target", "dashboard");

  /** Of all visible texts, those with less contrast to what is behind them than WCAG 2 asks for. */
  private static final String FAINT_TEXTS =
      """
      (() => {
        const rgb = (color) => color.match(/[\\d.]+/g).map(Number);
        const light = (channels) => channels.slice(0, 3)
            .map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
            .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
        const over = (front, back) => front.slice(0, 3).map((c, at) => c * (front[3] ?? 1) + back[at] * (1 - (front[3] ?? 1)));
        const behind = (element) => {
          if (!element) { return [255, 255, 255]; }
          const color = rgb(getComputedStyle(element).backgroundColor);
          return (color[3] ?? 1) === 1 ? color : over(color, behind(element.parentElement));
        };
        return [...document.querySelectorAll('body *')]
            .filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()))
            .filter((e) => {
              const back = behind(e);
              const [a, b] = [light(over(rgb(getComputedStyle(e).color), back)), light(back)];
              return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
            })
            .map((e) => e.textContent);
      })()
      """;

  @TempDir static Path folder;

  private static TestCluster cluster;
  private static Browser browser;
  private static Job done;

  @BeforeAll
  static void start() throws IOException {
    assumeTrue(Browser.isInstalled(), "Chromium is not installed");
    Files.createDirectories(SCREENSHOTS);
    browser = Browser.start(folder);
    cluster =
        TestCluster.start(
            folder,
            TestModels.DEMO,
            3,
            List.of("--http-port", "0"),
            List.of(),
            address -> LongtakeClient.builder().address(address).build());
    done =
        cluster.generate(
            GenerationRequest.newBuilder()
                .setPrompt(PROMPT)
                .setSteps(3)
                .setSeed(5)
                .setPlan(Plan.newBuilder().setSequenceRanks(2))
                .build());
    assertThat(done.getState()).as("%s", done).isEqualTo(JobState.JOB_STATE_DONE);
  }

  @AfterAll
  static void stop() {
    if (cluster != null) {
      cluster.close();
    }
    if (browser != null) {
      browser.close();
    }
  }

  @BeforeEach
  void open() {
    browser.size(1440, 1000);
    browser.prefer("light");
    browser.open(cluster.coordinator().httpUrl());
    awaitLink("live");
    browser.click("[role=option]", PROMPT);
  }

  @AfterEach
  void shouldHaveNothingToComplainAbout() {
    assertThat(browser.problems()).isEmpty();
  }

  @Test
  void shouldFillEveryPanelWhenTheClusterHasDoneAJob() throws IOException {
    browser.await("document.querySelectorAll('#cluster .memory .part').length >= 2");
    assertThat(shown("#cluster")).contains("w1", "w2", "weights", "127.0.0.1");
    assertThat(shown("#jobs")).contains(PROMPT, "done");
    assertThat(shown("#caches")).contains("encoded prompts", "prepared texts of w2");
    browser.await("document.querySelectorAll('#links td[data-shade]').length >= 2");
    assertThat(shown("#links")).containsPattern("[0-9] [KMG]?B/s\\s+[0-9.]+ .?s");

    assertThat(shown("#job"))
        .contains(done.getId(), "64 × 64, 16 frames", "decoding", done.getWorkerIds(0));
    browser.click("[role=tab]", "Plan");
    browser.await("document.querySelectorAll('.candidates li').length > 3");
    assertThat(shown("#job")).contains("asked for", "2 ranks (switch)", "the fastest of", "slower");
    browser.click("[role=tab]", "History");
    assertThat(shown("#job")).contains("queued", "submitted", "running", "attempt 1");
    browser.screenshot(SCREENSHOTS.resolve("panels.png"));
  }

  private static String shown(String selector) {
    return browser.text("document.querySelector('%s').innerText".formatted(selector));
  }

  @Test
  void shouldPlayAndSeekTheVideoWhenTheJobIsDone() {
    browser.await("document.querySelector('video').readyState >= 1");
    assertThat(browser.value("document.querySelector('video').duration").getAsDouble())
        .isEqualTo(done.getVideo().getFrames() / done.getVideo().getFps());
    browser.value(
        """
        new Promise((seeked) => {
          const video = document.querySelector('video');
          video.addEventListener('seeked', seeked, { once: true });
          video.currentTime = 1.5;
        })
        """);
    browser.value("document.querySelector('video').play()");
    browser.await("document.querySelector('video').currentTime > 1.6");
  }

  @Test
  void shouldSubmitAndShowProgressWhenThereIsAKeyboardOnly() throws IOException {
    browser.tabTo("#jobs > header > button");
    browser.press(Keystroke.ENTER);
    browser.type("a red circle moving right on a black background");
    browser.tabTo("#field-width");
    browser.type("50");
    browser.tabTo("#field-steps");
    browser.type("60");
    browser.press(Keystroke.ENTER);
    assertThat(shown("#field-width-problem"))
        .isEqualTo("Expected 32 to 256, multiples of 16, but got 50");
    assertThat(browser.text("document.activeElement.id")).isEqualTo("field-width");

    // The field's text is selected only when one comes by Tab.
    browser.value("document.activeElement.select()");
    browser.type("64");
    browser.tabTo("#field-previewEvery");
    browser.type("1");
    browser.press(Keystroke.ENTER);

    browser.await("document.querySelector('.progress-words').textContent.startsWith('Step ')");
    browser.await("document.querySelector('#job progress').value > 0");
    browser.await("document.querySelector('.picture img').naturalWidth === 64");
    assertThat(shown("#job")).contains("Preview after step", "of 60");
    browser.await("document.querySelector('#cluster .card[data-state=working] .split')");
    browser.screenshot(SCREENSHOTS.resolve("running.png"));

    browser.tabTo("#job .actions button:last-child");
    browser.press(Keystroke.ENTER);
    assertThat(shown("dialog")).contains("Cancel this job?");
    browser.press(Keystroke.ESCAPE);
    assertThat(browser.value("document.querySelector('dialog') === null").getAsBoolean()).isTrue();
    assertThat(browser.text("document.activeElement.textContent")).isEqualTo("Cancel");
    browser.press(Keystroke.ENTER);
    browser.tabTo("dialog .danger");
    browser.press(Keystroke.ENTER);
    browser.await("document.querySelector('#job .state').textContent === 'canceled'");
    assertThat(browser.text("document.getElementById('news').textContent")).contains("canceled");
  }

  @Test
  void shouldShowWhatEveryWorkerDidInAStep() throws IOException {
    browser.click("[role=tab]", "Time line");
    browser.await("document.querySelectorAll('.chart .worker').length === 2");
    for (int worker = 1; worker <= 2; worker++) {
      String row =
          "document.querySelector('.chart .worker:nth-child(%d) svg .%s').getAttribute('d').length";
      assertThat(browser.value(row.formatted(worker, "compute")).getAsInt()).isPositive();
      assertThat(browser.value(row.formatted(worker, "idle")).getAsInt()).isPositive();
    }
    List<Double> shares =
        browser
            .value(
                "[...document.querySelectorAll('.page:not([hidden]) tbody"
                    + " td:last-child')].map((cell) => parseFloat(cell.textContent))")
            .getAsJsonArray()
            .asList()
            .stream()
            .map(JsonElement::getAsDouble)
            .toList();
    assertThat(shares).hasSize(2).allSatisfy(share -> assertThat(share).isBetween(1.0, 100.0));

    browser.tabTo("#step");
    browser.press(Keystroke.RIGHT);
    assertThat(shown("output")).startsWith("3 of 3, ");
    browser.tabTo(".chart svg");
    browser.press(Keystroke.DOWN);
    String first = shown(".details");
    browser.press(Keystroke.RIGHT);
    assertThat(shown(".details")).contains(", part 0: ", " from ").isNotEqualTo(first);
    browser.screenshot(SCREENSHOTS.resolve("timeline.png"));
  }

  @Test
  void shouldFitAndBeReadableWhenOnAPhoneAndInTheDark() throws IOException {
    for (String scheme : SCHEMES) {
      browser.prefer(scheme);
      for (int width : new int[] {360, 1440}) {
        browser.size(width, 800);
        for (String tab : TABS) {
          browser.click("[role=tab]", tab);
          assertFits("%s, %d, %s".formatted(scheme, width, tab));
        }
        browser.click("button", "New video");
        assertFits("%s, %d, form".formatted(scheme, width));
        browser.press(Keystroke.ESCAPE);
        browser.screenshot(SCREENSHOTS.resolve("%s-%d.png".formatted(scheme, width)));
      }
    }
    String background = "getComputedStyle(document.body).backgroundColor";
    String dark = browser.text(background);
    browser.prefer("light");
    assertThat(browser.text(background)).isNotEqualTo(dark);
  }

  private static void assertFits(String what) {
    assertThat(
            browser
                .value(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth")
                .getAsInt())
        .as("%s: pixels that stick out", what)
        .isNotPositive();
    assertThat(browser.value(FAINT_TEXTS).getAsJsonArray()).as("%s: faint texts", what).isEmpty();
  }

  @Test
  void shouldSayWhenTheCoordinatorIsOutOfReachAndGoOnWhenItIsBack() {
    browser.network(/* isThere= */ false);
    awaitLink("unreachable");
    assertThat(shown(".banner")).startsWith("The coordinator does not answer.");
    assertThat(shown("#jobs")).contains(PROMPT);
    browser.network(/* isThere= */ true);
    awaitLink("live");
    browser.await("!document.querySelector('.banner').checkVisibility()");
    // The browser itself notes each request that failed.
    assertThat(browser.problems())
        .allMatch(problem -> problem.contains("ERR_INTERNET_DISCONNECTED"));
  }

  @Test
  void shouldShowThatAWorkerIsGoneWhenItIsKilled() {
    browser.await("document.querySelectorAll('#cluster .card').length === 3");
    assertThat(cluster.worker("w3").handle().destroyForcibly()).isTrue();
    browser.await(
        "document.querySelector('#cluster .card[data-state=gone] h4').textContent === 'w3'");
    assertThat(browser.text("document.getElementById('news').textContent"))
        .contains("Worker w3 is gone");
    browser.click("button", "Forget those");
    browser.await("document.querySelectorAll('#cluster .card').length === 2");
  }

  @Test
  void shouldAskForAKeyAndSurviveARestartWhenTheCoordinatorHasKeys() throws IOException {
    Access access =
        Access.of(
            Files.writeString(
                folder.resolve("access.yaml"),
                "keys:\n" + key("ops", "operator") + key("anna", "user, tenant: studio")));
    String url;
    try (Coordinator coordinator = coordinator(access, 0)) {
      url = coordinator.httpUrl();
      browser.open(url);
      enterKey("wrong");
      browser.await("document.getElementById('key')?.value === ''");
      enterKey("key-of-ops");
      awaitLink("live");
      assertThat(shown("#cluster")).contains("No worker has joined");
    }
    awaitLink("unreachable");
    try (Coordinator coordinator = coordinator(access, URI.create(url).getPort())) {
      assertThat(coordinator.httpUrl()).isEqualTo(url);
      awaitLink("live");
      browser.click("header button", "Forget key");
      enterKey("key-of-anna");
      awaitLink("live");
      assertThat(shown("#cluster")).contains("ask an operator");
      assertThat(shown("#jobs")).contains("No jobs yet");
      browser.open("about:blank");
    }
    // The browser itself notes each request that failed.
    assertThat(browser.problems())
        .isNotEmpty()
        .allMatch(problem -> problem.matches(".*(status of 40[13]|ERR_[A-Z_]+).*"));
  }

  private static void awaitLink(String word) {
    browser.await("document.querySelector('.link').textContent === '%s'".formatted(word));
  }

  private static void enterKey(String key) {
    browser.await("document.activeElement.id === 'key'");
    browser.type(key);
    browser.press(Keystroke.ENTER);
  }

  private static String key(String name, String role) {
    return "  - {name: %s, role: %s, sha256: %s}%n"
        .formatted(name, role, Sha256.hex(("key-of-" + name).getBytes(StandardCharsets.UTF_8)));
  }

  /** One of this process, without workers. */
  private static Coordinator coordinator(Access access, int httpPort) {
    CoordinatorConfig usual = CoordinatorConfig.of("127.0.0.1", 0, folder.resolve("with-keys"));
    return Coordinator.start(
        new CoordinatorConfig(
            usual.host(),
            usual.port(),
            usual.tls(),
            access,
            usual.dataFolder(),
            usual.database(),
            usual.advertise(),
            usual.lease(),
            usual.checkpointEvery(),
            usual.queueLimit(),
            usual.mixedDevices(),
            usual.embeddings(),
            usual.exchangeTimeout(),
            usual.heartbeatInterval(),
            usual.encodeTimeout(),
            usual.stallTimeout(),
            usual.shutdownTimeout(),
            new HttpConfig(
                usual.host(), httpPort, HttpLimits.of(HttpLimits.DEFAULT_REQUESTS_PER_ADDRESS))));
  }

  @Test
  void shouldDivideAStepIntoComputeExchangeAndIdleWhenPartsOverlap() {
    // Two parts: 0 to 4 compute, 3 to 6 exchange; 8 to 10 compute, beside a wait that counts as
    // idle where nothing else is.
    String times =
        """
        import('/trace.js').then(({ readTrace, stepOf }) => {
          const span = (tid, kind, ts, dur) => ({ ph: 'X', name: kind, pid: 0, tid, ts, dur, args: { step: 1, kind } });
          const spans = [span(0, 'compute', 0, 4), span(1, 'exchange', 3, 3), span(1, 'wait', 6, 3), span(0, 'compute', 8, 2)];
          const { workers } = stepOf(readTrace({ traceEvents: spans }), 1);
          return workers.map((w) => [w.compute, w.exchange, w.hidden, w.idle].join(' ')).join();
        })
        """;
    assertThat(browser.text(times)).isEqualTo("6 2 1 2");
  }
}
