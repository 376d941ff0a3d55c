#!/usr/bin/env python3
"""The pages of `leat load`, `leat report` and `leat compare` in Chromium: light and dark, wide and
narrow, on paper. Nothing is fetched, nothing is complained of, nothing lies on another's words or
leaves the page's width, and all text has the contrast that WCAG 2.1 AA asks for (4.5:1)."""
# ctest: peers 300 once
import json
import os
import subprocess
import tempfile
import unittest

import browser
import mock

PAGES = ("closed", "open", "empty", "invalid", "sweep", "hostile", "compare", "runs")
WIDE, NARROW = (1400, 700), (390, 700)
COLOURS_MIN = 40

# What the tests ask of the page itself. Columns that are pointed at show their words one at a time,
# so they are left out of the overlaps.
ASK = """(() => {
  const luminance = c => {
    const [r, g, b] = c.map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const ground = element => {
    for (; element; element = element.parentElement) {
      const c = parse(getComputedStyle(element).backgroundColor);
      if (c.length < 4 || c[3] > .9) return c.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const contrast = element => {
    const style = getComputedStyle(element);
    const ink = parse(element.namespaceURI.endsWith("svg") ? style.fill : style.color);
    const [a, b] = [luminance(ink.slice(0, 3)), luminance(ground(element))].sort((x, y) => y - x);
    return (a + .05) / (b + .05);
  };
  const shown = element => element.getClientRects().length > 0 &&
    getComputedStyle(element).visibility === "visible";
  const words = [...document.querySelectorAll("main *, .theme span")].filter(e => shown(e) &&
    e.tagName !== "title" &&
    [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim() !== ""));
  const faint = words.filter(e => contrast(e) < 4.5)
    .map(e => `${e.tagName}.${e.getAttribute("class")} ${e.textContent.slice(0, 40)} ` +
              contrast(e).toFixed(2));
  const clashes = [];
  for (const plot of document.querySelectorAll(".plot")) {
    const boxes = [...plot.querySelectorAll("text")].filter(shown)
      .map(t => [t.textContent, t.getBoundingClientRect(), t.closest("svg").getAttribute("width")]);
    for (let i = 0; i < boxes.length; i++)
      for (let k = 0; k < i; k++) {
        const [a, b] = [boxes[i][1], boxes[k][1]];
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 4) clashes.push(boxes[i][0] + " on " + boxes[k][0]);
      }
  }
  const outside = [...document.querySelectorAll("main *")].filter(e => shown(e) &&
    !e.closest(".scroll") && e.tagName !== "title" && e.tagName !== "caption" &&
    e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => `${e.tagName}.${e.getAttribute("class")} ${e.textContent.slice(0, 40)}`);
  return {faint, clashes, outside, words: words.length,
          across: document.documentElement.scrollWidth, width: innerWidth,
          scripts: document.scripts.length, title: document.title,
          unnamed: [...document.querySelectorAll("[role=img],[role=region]")].filter(e =>
            !e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby")).length,
          charts: document.querySelectorAll("svg[role=img]").length};
})()"""


class PagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.chromium = browser.Browser()
        cls.addClassCleanup(cls.chromium.stop)
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        subprocess.run([os.path.join(mock.BUILD, "test/load_test_report_html"), cls.folder.name],
                       check=True, timeout=60)

    def path(self, name):
        return os.path.join(self.folder.name, name + ".html")

    def judge(self, path):
        """The page that is open: quiet, by itself, legible."""
        self.assertEqual(self.chromium.complaints(), [])
        self.assertEqual(self.chromium.requested(), ["file://" + path])
        found = self.chromium.run(ASK)
        for what in ("faint", "clashes", "outside"):
            self.assertEqual(found[what], [], what)
        self.assertLessEqual(found["across"], found["width"])
        self.assertEqual((found["scripts"], found["unnamed"]), (0, 0))
        self.assertGreater(found["words"], 20)
        return found

    def shot(self, size, dark):
        width, height, colours, brightness = browser.pixels(self.chromium.screenshot())
        self.assertEqual((width, height), size)
        self.assertGreater(len(colours), COLOURS_MIN)
        (self.assertLess if dark else self.assertGreater)(brightness, 70 if dark else 185)

    def test_every_page_in_every_form(self):
        for name in PAGES:
            for size in (WIDE, NARROW):
                for dark in (False, True):
                    with self.subTest(name, size=size, dark=dark):
                        self.chromium.open(self.path(name), *size, dark=dark)
                        self.judge(self.path(name))
                        self.shot(size, dark)

    def test_what_is_folded_is_legible_too(self):
        for name in ("open", "sweep", "compare"):
            for size in (WIDE, NARROW):
                with self.subTest(name, size=size):
                    self.chromium.open(self.path(name), *size)
                    self.chromium.run("document.querySelectorAll('details').forEach("
                                      "d => d.open = true)")
                    self.judge(self.path(name))

    def test_buttons_choose_the_theme(self):
        ground = "getComputedStyle(document.body).backgroundColor"
        for dark in (False, True):
            self.chromium.open(self.path("open"), *WIDE, dark=dark)
            seen = {"auto": self.chromium.run(ground)}
            for theme in ("dark", "light", "auto"):
                self.chromium.run(f"document.getElementById('t-{theme}').click()")
                seen[theme + " chosen"] = self.chromium.run(ground)
            self.assertNotEqual(seen["dark chosen"], seen["light chosen"])
            self.assertEqual(seen["auto"], seen["auto chosen"])
            self.assertEqual(seen["auto"], seen["dark chosen" if dark else "light chosen"])

    def test_pointing_at_a_chart_tells_its_figures(self):
        self.chromium.open(self.path("open"), *WIDE)
        place = self.chromium.run(
            "(() => { const r = document.querySelectorAll('.h rect')[12];"
            "r.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const b = r.getBoundingClientRect();"
            "return {x: b.left + b.width / 2, y: b.top + b.height / 2}; })()")
        told = ("[...document.querySelectorAll('.h text')].filter(t =>"
                " getComputedStyle(t).visibility === 'visible').map(t => t.textContent)")
        self.assertEqual(self.chromium.run(told), [])
        self.chromium.ask("Input.dispatchMouseEvent", type="mouseMoved", **place)
        seen = self.chromium.run(told)
        self.assertEqual(len(seen), 1)
        self.assertRegex(seen[0], r"^p[0-9.]+ . from the send [0-9.]+ ms")

    def test_the_policy_stops_what_should_not_be_there(self):
        self.chromium.open(self.path("hostile"), *WIDE)
        self.chromium.run(
            "(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
            "document.body.append(s); const t = document.createElement('style');"
            "t.textContent = 'h1{display:none}'; document.head.append(t);"
            "const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i);"
            "})()")
        self.assertIsNone(self.chromium.run("window.ran"))
        self.assertEqual(self.chromium.run(
            "getComputedStyle(document.querySelector('h1')).display"), "block")
        blocked = self.chromium.wait_for("Network.loadingFailed")
        self.assertEqual(blocked.get("blockedReason"), "csp")

    def test_faults_are_seen(self):
        self.chromium.open(self.path("open"), *WIDE)
        self.chromium.run(
            "(() => { document.querySelector('h1').style.color = '#aab';"
            "document.querySelectorAll('.plot text.m').forEach(t => t.setAttribute('x', '50%'));"
            "document.querySelector('h2').style.width = '3000px'; })()")
        found = self.chromium.run(ASK)
        self.assertEqual(len(found["faint"]), 1)
        self.assertGreater(len(found["clashes"]), 4)
        self.assertGreater(len(found["outside"]), 0)

    def test_hostile_words_are_shown_as_words(self):
        self.chromium.open(self.path("hostile"), *WIDE)
        self.assertIn("<script>alert(1)</script>", self.chromium.run("document.title"))
        self.assertIn("<script>alert(1)</script>",
                      self.chromium.run("document.querySelector('h1').textContent"))

    def test_on_paper(self):
        self.chromium.open(self.path("open"), *WIDE, dark=True)
        self.chromium.ask("Emulation.setEmulatedMedia", media="print", features=[])
        self.assertEqual(self.chromium.run(
            "getComputedStyle(document.querySelector('.theme')).display"), "none")
        self.assertEqual(self.chromium.run("getComputedStyle(document.body).backgroundColor"),
                         "rgb(255, 255, 255)")
        paper = self.chromium.ask("Page.printToPDF", printBackground=True)["data"]
        self.assertGreater(len(paper), 20000)

    def test_real_runs(self):
        with mock.Mock("--plain", "--ttft", "20ms", "--gap", "5ms", "--events", "20") as gateway:
            outputs = [self.path("run"), os.path.join(self.folder.name, "run.json")]
            ran = mock.leat("load", "--quiet", "--base-url", gateway.url, "--model", "m <b>",
                            "--prompt", "hi", "-n", "60", "-c", "6", "-o", outputs[0], "--json",
                            outputs[1])
            self.assertEqual(ran.returncode, 0, ran.stderr)
        again, against = self.path("again"), self.path("against")
        ran = mock.leat("report", outputs[1], "--quiet", "-o", again, "--title", "Again & again")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        ran = mock.leat("compare", outputs[1], outputs[1], "--quiet", "-o", against)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        with open(outputs[1], encoding="utf-8") as file:
            self.assertIn("config", json.load(file))
        for path in (self.path("run"), again, against):
            with self.subTest(os.path.basename(path)):
                self.assertLess(os.path.getsize(path), 300 * 1024)
                self.chromium.open(path, *WIDE)
                self.assertGreater(self.judge(path)["charts"], 2)


if __name__ == "__main__":
    mock.main()
