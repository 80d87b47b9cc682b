#!/usr/bin/python3
"""Pages of strangers in a real browser on the buyer's own machine: none of them buys, reads or
hears anything, whatever a browser sends without asking first; a page of an allowed origin does.
There is no login, so whoever may ask may buy.

Skipped, and named, without a Chromium: scripts/install_deps.sh --browser.
"""

import socket
import threading
import unittest

from browser import CHROMIUM, Browser, Site
from by_hand import must
from devtools import Chrome
from system import System, SystemTest

ITEM = 7777
STRANGER = "evil.example"
REBOUND = "rebound.example"

# What a page may send to another site without being asked (forms, requests called simple), and what
# a browser asks about first. Every request carries a name of its own, so the books show which sold.
PAGE = """<!doctype html><meta charset="utf-8"><body><script>
const base = '%(base)s', user = (name) => '%(prefix)s-' + name;
const order = (name) => JSON.stringify({ item: %(item)d, user: user(name) });

// Ends when what the form was answered is in the frame, or after what a refusal takes.
const form = (name, action, type, entries) => new Promise((resolve) => {
  const frame = document.createElement('iframe');
  frame.name = name;
  document.body.append(frame);
  const made = document.createElement('form');
  Object.assign(made, { method: 'post', action: base + action, enctype: type, target: name });
  for (const [key, value] of entries) {
    const input = document.createElement('input');
    Object.assign(input, { name: key, value, type: 'hidden' });
    made.append(input);
  }
  document.body.append(made);
  frame.onload = () => resolve('loaded');
  made.submit();
  setTimeout(() => resolve('no answer'), 3000);
});

const asked = async (path, options) => {
  try {
    const answer = await fetch(base + path, options);
    return { type: answer.type, status: answer.status, text: await answer.text() };
  } catch (error) {
    return { error: error.name };
  }
};

const image = (path) => new Promise((resolve) => {
  const made = new Image();
  made.onload = made.onerror = (event) => resolve(event.type);
  made.src = base + path;
});

const post = (name, options) =>
  asked('/v1/orders', { method: 'POST', body: order(name), ...options });

const tell = (seen) =>
  fetch('%(told)s', { method: 'POST', mode: 'no-cors', body: JSON.stringify(seen) });

(async () => {
  const seen = {};
  const urlencoded = 'application/x-www-form-urlencoded';
  seen.form = await form('form', '/miaosha/order', urlencoded, [['itemId', '%(item)d']]);
  seen.form_v1 = await form('form_v1', '/v1/orders', urlencoded,
    [['item', '%(item)d'], ['user', user('form_v1')]]);
  seen.multipart = await form('multipart', '/v1/orders', 'multipart/form-data',
    [['item', '%(item)d'], ['user', user('multipart')]]);
  seen.plain = await form('plain', '/v1/orders', 'text/plain',
    [[order('plain').slice(0, -1) + ',"note":"', '"}']]);
  seen.no_cors = await post('no_cors', { mode: 'no-cors' });
  seen.plain_fetch = await post('plain_fetch', {});
  seen.json = await post('json', { headers: { 'Content-Type': 'application/json' } });
  seen.credentials = await post('credentials', { mode: 'no-cors', credentials: 'include' });
  seen.beacon = navigator.sendBeacon(base + '/v1/orders', order('beacon'));
  seen.items = await asked('/v1/items/%(item)d', {});
  seen.image = await image('/v1/items/%(item)d');
  await new Promise((resolve) => setTimeout(resolve, 500));  // the beacon's way
  await tell(seen);
})().catch((error) => tell({ fault: String(error) }));
</script>"""

# What a page may try with the operator's actions, in a browser that is signed in there.
ACTIONS = """<!doctype html><meta charset="utf-8"><body><script>
const base = '%(base)s/v1/ops/actions';
const action = (name) => JSON.stringify({ do: 'item_close', item: %(item)d, request_id: name });
const form = (name, type, [key, value]) => new Promise((resolve) => {
  const frame = document.createElement('iframe');
  frame.name = name;
  document.body.append(frame);
  const made = document.createElement('form');
  Object.assign(made, { method: 'post', action: base, enctype: type, target: name });
  const input = document.createElement('input');
  Object.assign(input, { name: key, value, type: 'hidden' });
  made.append(input);
  document.body.append(made);
  frame.onload = () => resolve('loaded');
  made.submit();
  setTimeout(() => resolve('no answer'), 3000);
});
const post = async (name, options) => {
  try {
    const answer = await fetch(base, { method: 'POST', body: action(name), ...options });
    return { type: answer.type, status: answer.status, text: await answer.text() };
  } catch (error) {
    return { error: error.name };
  }
};
const json = { 'Content-Type': 'application/json' };
(async () => {
  const seen = {};
  seen.form = await form('form', 'application/x-www-form-urlencoded', ['do', 'drain']);
  seen.plain = await form('plain', 'text/plain', [action('plain').slice(0, -1) + ',"x":"', '"}']);
  seen.no_cors = await post('no_cors', { mode: 'no-cors', credentials: 'include' });
  seen.fetch = await post('fetch', { credentials: 'include' });
  seen.json = await post('json', { credentials: 'include', headers: json });
  const bearer = { ...json, Authorization: 'Bearer ' + '0'.repeat(64) };
  seen.bearer = await post('bearer', { headers: bearer });
  seen.beacon = navigator.sendBeacon(base, action('beacon'));
  await new Promise((resolve) => setTimeout(resolve, 500));
  return seen;
})().catch((error) => ({ fault: String(error) })).then((seen) =>
  fetch('%(told)s', { method: 'POST', mode: 'no-cors', body: JSON.stringify(seen) }));
</script>"""

# A frame without an origin of its own: it sends `Origin: null`.
SANDBOX = """<!doctype html><meta charset="utf-8">
<iframe sandbox="allow-scripts allow-forms" srcdoc="%s"></iframe>"""


class Rebinding:
    """What a name server does that answers with its own address first and 127.0.0.1 afterwards: one
    name and port that lead to the stranger's site, and to the webapp from `turn()` on."""

    def __init__(self, site, port):
        self._targets = [site, port]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def turn(self):
        self._targets.pop(0)

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._targets[0]))
            for ends in (near, far), (far, near):
                threading.Thread(target=self._pass, args=ends, daemon=True).start()

    @staticmethod
    def _pass(here, there):
        try:
            while part := here.recv(65536):
                there.sendall(part)
            there.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@unittest.skipUnless(CHROMIUM, "no chromium-headless-shell")
class ForeignPage(SystemTest):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.allowed = Site()
        cls.allowed.__enter__()
        cls.addClassCleanup(cls.allowed.__exit__)
        cls.system = System(STAMPEDE_WEBAPP__ORIGINS=cls.allowed.origin)
        cls.addClassCleanup(cls.system.stop)
        cls.system.start(f"{ITEM}:Phone:1000")

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)
        self.before = self.buyers()

    def page(self, prefix, told, base=None):
        base = base or self.system.http
        return PAGE % {"base": base, "prefix": prefix, "item": ITEM, "told": told}

    def visit(self, site, url, names=()):
        """What the page at `url` has seen of its visit."""
        with Browser(url, names):
            seen = site.told(60)
        self.assertNotIn("fault", seen)
        return seen

    def buyers(self):
        return {user for user, in self.system.sql("SELECT user_id FROM orders")}

    def judge(self, seen):
        """Nothing was sold and nothing was read, by none of the ways that the page had."""
        self.system.verify()
        self.assertEqual(self.buyers(), self.before)
        for way in self.READS:
            said = seen[way]
            self.assertNotIn("Phone", str(said), way)
            self.assertIn(said.get("status", 0), (0, 403), f"{way}: {said}")
        self.assertEqual(seen["image"], "error")

    READS = "no_cors", "plain_fetch", "json", "credentials", "items"

    def test_a_page_of_another_port(self):
        with Site() as site:
            site.pages["/"] = self.page("port", "/told")
            self.judge(self.visit(site, site.origin))

    def test_a_page_of_another_name(self):
        with Site() as site:
            site.pages["/"] = self.page("name", "/told")
            seen = self.visit(site, f"http://{STRANGER}:{site.port}/", (STRANGER,))
            self.judge(seen)

    def test_a_frame_without_an_origin(self):
        with Site() as site:
            inner = self.page("null", f"{site.origin}/told")
            site.pages["/"] = SANDBOX % inner.replace("&", "&amp;").replace('"', "&quot;")
            self.judge(self.visit(site, site.origin))

    def test_a_name_that_leads_to_the_webapp(self):
        """The stranger's name, with the port of the webapp itself."""
        with Site() as site:
            base = f"http://{STRANGER}:{self.system.http_port}"
            site.pages["/"] = self.page("named", "/told", base)
            seen = self.visit(site, f"http://{STRANGER}:{site.port}/", (STRANGER,))
            self.judge(seen)

    def test_a_name_that_was_rebound(self):
        """For the browser the page and the webapp are one origin, and every answer may be read."""
        with Site() as site:
            rebinding = Rebinding(site.port, self.system.http_port)
            self.addCleanup(rebinding.close)
            base = f"http://{REBOUND}:{rebinding.port}"
            page = self.page("rebound", f"{site.origin}/told", base)
            site.pages["/"] = page.replace("(async () => {",
                                           "(async () => { await tell('turn');", 1)
            with Browser(base, (REBOUND,)):
                self.assertEqual(site.told(30), "turn")
                rebinding.turn()
                seen = site.told(60)
            self.assertNotIn("fault", seen)
            self.judge(seen)
            self.assertEqual(seen["json"]["status"], 403)
            self.assertIn("Host", seen["json"]["text"])

    def test_pages_do_nothing_on_the_operators_port(self):
        """The browser is signed in there: only where a request comes from is wrong. The stranger's
        page has the same host, so SameSite does not hold the cookie back."""
        base = f"http://127.0.0.1:{self.system.base}"
        with Site() as site, Chrome() as chrome:
            inner = ACTIONS % {"base": base, "item": ITEM, "told": f"{site.origin}/told"}
            site.pages["/"] = inner
            site.pages["/frame"] = SANDBOX % inner.replace("&", "&amp;").replace('"', "&quot;")
            page = chrome.page(self.system.report("ops")["url"])
            page.shows("Signed in")
            for path in ("/", "/frame"):
                page.open(site.origin + path)
                seen = site.told(60)
                self.assertNotIn("fault", seen)
                for way in ("no_cors", "fetch", "json", "bearer"):
                    self.assertEqual(seen[way].get("status", 0), 0, f"{way}: {seen[way]}")
                self.assertEqual(self.system.report("item", "show", ITEM)["state"], "open", path)
                self.assertIsNone(self.system.status()["drained_at"])
            # The same browser, from the page itself: the others were refused for what they are.
            page.open(base)
            status = page.js("""fetch('/v1/ops/actions', { method: 'POST', headers:
                { 'Content-Type': 'application/json' }, body: JSON.stringify(
                  { do: 'item_close', item: %d, request_id: 'own' }) })
                .then((said) => said.status)""" % ITEM)
            self.assertEqual(status, 200)
            self.assertEqual(self.system.report("item", "show", ITEM)["state"], "closed")
            must(self.system.stampede("item", "open", ITEM), "item open")

    def test_a_page_that_is_allowed(self):
        """The same page, so the others were refused for what they are."""
        self.allowed.pages["/"] = self.page("own", "/told")
        seen = self.visit(self.allowed, self.allowed.origin)
        self.assertIn(seen["json"]["status"], (201, 202), seen)
        self.assertIn("Phone", seen["items"]["text"])
        self.system.verify()
        bought = self.buyers() - self.before
        self.assertIn("own-json", bought)
        self.assertEqual(len({user for user in bought if not user.startswith("own-")}), 1,
                         "the form's order, whose user is made up")


if __name__ == "__main__":
    unittest.main(verbosity=2)
