"""A Chromium without a window that a test drives: pages of their own buyers, what they show, where
one clicks, what they look like. It is spoken to through two pipes, in the browser's own protocol
(Chrome DevTools): no port, no driver, no library.

    with Chrome() as chrome:
        page = chrome.page("http://127.0.0.1:8080/", language="zh")
        page.until("document.querySelector('h2')?.innerText")
        page.click("button.main")
"""

import base64
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from browser import CHROMIUM

PATIENCE = 20.0  # seconds, for one answer of the browser
AXE = Path(__file__).resolve().parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"


class Chrome:
    """One browser until the block ends; each page has cookies and a storage of its own."""

    def __enter__(self):
        self._files = tempfile.mkdtemp(prefix="st-chrome-", dir="/tmp")
        hears, to_browser = os.pipe()
        from_browser, says = os.pipe()
        # It reads from its descriptor 3 and writes to its 4.
        shell = f'exec "$0" "$@" 3<&{hears} 4>&{says}'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", shell, CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--hide-scrollbars",
             "--force-color-profile=srgb", f"--user-data-dir={self._files}",
             "--remote-debugging-pipe"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(hears, says), start_new_session=True)
        os.close(hears)
        os.close(says)
        self._out = os.fdopen(to_browser, "wb", buffering=0)
        self._in = os.fdopen(from_browser, "rb")
        self._waiting, self._pages, self._number = {}, {}, 0
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_):
        os.killpg(self._process.pid, 9)
        self._process.wait()
        self._out.close()
        shutil.rmtree(self._files, ignore_errors=True)

    def _listen(self):
        rest = b""
        while chunk := self._in.read1(1 << 20):
            *whole, rest = (rest + chunk).split(b"\0")
            for message in map(json.loads, whole):
                if "id" in message:
                    self._waiting.pop(message["id"]).put(message)
                elif message.get("sessionId") in self._pages:
                    self._pages[message["sessionId"]].heard(message)

    def call(self, method, session=None, **parameters):
        """The result of one command."""
        with self._lock:
            self._number += 1
            number, answer = self._number, queue.Queue()
            self._waiting[number] = answer
            message = {"id": number, "method": method, "params": parameters}
            if session:
                message["sessionId"] = session
            self._out.write(json.dumps(message).encode() + b"\0")
        try:
            said = answer.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"the browser does not answer {method}") from None
        if "error" in said:
            raise AssertionError(f"{method}: {said['error']}")
        return said["result"]

    def page(self, url, **looks):
        """A new page at `url`, of somebody whom this browser has not seen; looks: Page.look()."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)
        session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = self._pages[session["sessionId"]] = Page(self, session["sessionId"])
        page.begin()
        page.look(**looks)
        page.open(url)
        return page


class Page:
    def __init__(self, chrome, session):
        self._chrome, self._session = chrome, session
        self.faults = []  # what scripts threw and what the page's own policy forbade

    def call(self, method, **parameters):
        return self._chrome.call(method, self._session, **parameters)

    def begin(self):
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def heard(self, message):
        about = message["params"]
        if message["method"] == "Runtime.exceptionThrown":
            self.faults.append(about["exceptionDetails"].get("exception", {}).get("description"))
        entry = about.get("entry", {}) if message["method"] == "Log.entryAdded" else {}
        if entry.get("source") == "security" or "Content Security Policy" in entry.get("text", ""):
            self.faults.append(entry["text"])

    def look(self, width=1280, height=900, language="en", dark=False):
        """The window's size, and what its owner prefers."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)
        agent = self.call("Runtime.evaluate", expression="navigator.userAgent")["result"]["value"]
        tags = {"en": "en-GB,en", "zh": "zh-CN,zh"}[language]
        self.call("Network.setUserAgentOverride", userAgent=agent, acceptLanguage=tags)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}])

    def before_scripts(self, script):
        """Runs in every document of this page before its own scripts."""
        self.call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def reload(self):
        self.js("globalThis.before = true")
        self.call("Page.reload")
        self.until("!globalThis.before && document.readyState === 'complete'")

    def js(self, expression):
        """The value of an expression; a promise is waited for."""
        said = self.call("Runtime.evaluate", expression=expression, awaitPromise=True,
                         returnByValue=True, userGesture=True)
        if "exceptionDetails" in said:
            details = said["exceptionDetails"]
            raise AssertionError(details.get("exception", details))
        return said["result"].get("value")

    def until(self, expression, seconds=PATIENCE):
        """Waits until the expression is true; its value."""
        end = time.monotonic() + seconds
        while True:
            try:
                value = self.js(expression)
            except AssertionError:
                value = None  # the document was just exchanged
            if value or value == {}:  # … as an element of the page is shown here
                return value
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {expression}\n{self.text()}")
            time.sleep(0.05)

    def text(self):
        return self.js("document.body.innerText")

    def shows(self, text, seconds=PATIENCE):
        """Waits until the text can be read on the page."""
        self.until(f"document.body.innerText.includes({json.dumps(text)})", seconds)

    def click(self, selector, text=""):
        """The first element of that kind that says `text`, as soon as it can be clicked."""
        self.until(f"""(() => {{
          const found = [...document.querySelectorAll({json.dumps(selector)})].find((one) =>
            !one.disabled && (one.innerText + one.ariaLabel).includes({json.dumps(text)}));
          found?.click();
          return Boolean(found); }})()""")

    def fill(self, name, value):
        self.until(f"document.querySelector('[name={name}]')")
        self.js(f"document.querySelector('[name={name}]').value = {json.dumps(value)}")

    def key(self, key, code=0):
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                      windowsVirtualKeyCode=code, **text)

    def screenshot(self, path, whole=False):
        """Of what the window shows, or of the whole page, however long."""
        more = {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            more = {"captureBeyondViewport": True, "clip": size | {"scale": 1}}
        shot = self.call("Page.captureScreenshot", format="png", **more)
        path.write_bytes(base64.b64decode(shot["data"]))

    def overflow(self):
        """What sticks out to the right of the window, as texts: nothing may."""
        return self.js("""[...document.querySelectorAll('body *')].filter((one) => {
            const box = one.getBoundingClientRect();
            return box.width > 0 && box.right > innerWidth + 1
              && !one.closest('.scroll, .skip, .hidden');
          }).map((one) => one.outerHTML.slice(0, 120))
          .concat(document.documentElement.scrollWidth > innerWidth ? ['the page scrolls'] : [])""")

    def violations(self):
        """What axe-core finds, as texts: nothing may. Where axe is missing it says so."""
        if not AXE.exists():
            print(f"{AXE} is missing: scripts/install_deps.sh --browser", flush=True)
            return []
        if not self.js("!!window.axe"):
            self.js(AXE.read_text(encoding="utf-8") + ";true")
        return self.js("axe.run(document, { resultTypes: ['violations'] }).then((said) =>"
                       "said.violations.map((one) => one.id + ': ' + one.nodes[0].html))")

    def collisions(self):
        """Texts and buttons that lie over each other, and texts that their own box cuts off: none
        may. What covers the page on purpose (dialogs, what sticks to the top) is left out."""
        return self.js("""(() => {
          const apart = '.hidden, .skip, .cover, .alarms, dialog, .scroll';
          const lines = [];
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const text = walker.currentNode, place = text.parentElement;
            if (!text.data.trim() || place.closest(apart)) continue;
            const range = document.createRange();
            range.selectNodeContents(text);
            for (const box of range.getClientRects())
              if (box.width > 1 && box.height > 1)
                lines.push({ text: text.data.trim().slice(0, 40), place, box });
          }
          const shared = (one, two, from, to) =>
            Math.min(one.box[to], two.box[to]) - Math.max(one.box[from], two.box[from]);
          const meet = (one, two) => !one.place.contains(two.place)
            && !two.place.contains(one.place) && shared(one, two, 'left', 'right') > 1
            && shared(one, two, 'top', 'bottom') > 4;
          const found = [];
          lines.forEach((one, at) => lines.slice(at + 1).forEach((two) => {
            if (meet(one, two)) found.push(`"${one.text}" lies over "${two.text}"`);
          }));
          const cuts = (box) => getComputedStyle(box).overflowX !== 'visible'
            && getComputedStyle(box).display !== 'inline' && box.scrollWidth > box.clientWidth + 1;
          for (const { place, text } of lines)
            for (let box = place; box !== document.body; box = box.parentElement)
              if (cuts(box)) found.push(`"${text}" is cut off`);
          return found;
        })()""")
