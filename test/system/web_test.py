#!/usr/bin/python3
"""The shop's page and the operator's page in a real browser: somebody buys through a kill of the
backend, meets sold out, pays, gives back, finds the orders again after a reload; an order without
an answer is shown as open until it has one; an operator closes an item and kills a node, and nobody
else does. Both languages, keyboard, axe, 360 pixels, dark and light; pictures of all of it stay in
build/screenshots, or in the directory that STAMPEDE_SCREENSHOTS names.

Skipped, and named, without a Chromium: scripts/install_deps.sh --browser.
"""

import gzip
import http.client
import json
import os
import re
import signal
import socket
import stat
import time
import unittest
from pathlib import Path

import pictures_test
from browser import CHROMIUM
from by_hand import arm_next_starts, must
from devtools import Chrome
from system import PROJECT, System, SystemTest

PHONE, CUP, LAMP, BOOK, VASE = 1, 2, 3, 4, 5
SHOTS = Path(os.environ.get("STAMPEDE_SCREENSHOTS") or PROJECT / "build" / "screenshots")
# The backend is stopped for longer than orders wait; nobody shall take that for a hang.
PATIENT = {"STAMPEDE_SUPERVISOR__MISSED_HEARTBEATS_MAX": 240,
           "STAMPEDE_SUPERVISOR__STALL_MS": 60_000}


def fill_shop(system):
    system.start(f"{PHONE}:Trail phone:500", f"{CUP}:Enamel cup:1", f"{LAMP}:Desk lamp:40",
                 f"{BOOK}:Field notes:120", f"{VASE}:花瓶:3")
    for item, *terms in ((PHONE, "--price-cents", 49900, "--description",
                          "Two days on one charge. Waterproof to 3 m, light as a notebook."),
                         (CUP, "--price-cents", 1200),
                         (LAMP, "--price-cents", 8900, "--hold-s", 900),
                         (BOOK, "--price-cents", 1500), (VASE, "--price-cents", 21900)):
        must(system.stampede("item", "set", item, *terms), "item set")
    must(system.stampede("promo", "add", 70, "--item", PHONE, "--name", "Half price",
                         "--price-cents", 24900, "--starts", "now", "--ends", "+2h"), "promo add")


def setUpModule():  # pylint: disable=invalid-name
    Shop.system = System(STAMPEDE_DEV="true", **PATIENT)
    unittest.addModuleCleanup(Shop.system.stop)
    fill_shop(Shop.system)
    SHOTS.mkdir(parents=True, exist_ok=True)
    if CHROMIUM:
        Shop.chrome = Chrome().__enter__()  # pylint: disable=unnecessary-dunder-call
        unittest.addModuleCleanup(Shop.chrome.__exit__)


class Shop(SystemTest):
    """One system and one browser for all tests; each has pages, items or buyers of its own."""

    system = chrome = None

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)

    def rows(self, item, page=None):
        """(qty, fulfilment) of an item's orders, of the buyer of a page alone if there is one."""
        self.system.verify()
        user = page.js("JSON.parse(localStorage['stampede.account']).user") if page else ""
        return self.system.sql(f"SELECT qty, fulfilment FROM orders WHERE item_id = {item}" +
                               (f" AND user_id = '{user}'" if user else ""))

    def ask(self, port, method, path, body=None, **headers):
        """(status, headers, bytes) of one request."""
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            head = {name.replace("_", "-"): value for name, value in headers.items()}
            text = None if body is None else json.dumps(body)
            link.request(method, path, text, head)
            answer = link.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            link.close()


# --- the files ------------------------------------------------------------------------------------

class Files(Shop):
    def test_pages_are_small_kept_for_ever_under_their_names_and_let_nobody_in(self):
        for port in (self.system.http_port, self.system.base):
            status, headers, body = self.ask(port, "GET", "/", Accept_Encoding="gzip")
            page = gzip.decompress(body).decode()
            self.assertEqual((status, headers["Cache-Control"], headers["Content-Encoding"]),
                             (200, "no-cache", "gzip"))
            self.assertIn("script-src 'self'", headers["Content-Security-Policy"])
            self.assertNotIn("unsafe", headers["Content-Security-Policy"])
            self.assertEqual(self.ask(port, "GET", "/")[2].decode(), page)
            again = self.ask(port, "GET", "/", If_None_Match=headers["ETag"],
                             Accept_Encoding="gzip")
            self.assertEqual((again[0], again[2]), (304, b""))
            other = self.ask(port, "GET", "/", If_None_Match=headers["ETag"])
            self.assertEqual((other[0], other[2].decode()), (200, page))
            names = re.findall(r'(?:src|href)="(/assets/[^"]+)"', page)
            self.assertGreater(len(names), 2)
            for name in names:
                status, headers, _ = self.ask(port, "GET", name)
                self.assertEqual((status, headers["Cache-Control"]),
                                 (200, "public, max-age=31536000, immutable"), name)
            self.assertEqual(self.ask(port, "GET", names[0].replace(".", ".0", 1))[0], 404)
        self.assertEqual(self.ask(self.system.http_port, "POST", "/", {})[0], 405)

    def test_the_reference_for_clients_is_served_with_what_programs_read(self):
        status, headers, page = self.ask(self.system.http_port, "GET", "/docs")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("script-src 'self'", headers["Content-Security-Policy"])
        status, headers, api = self.ask(self.system.http_port, "GET", "/openapi.yaml")
        self.assertEqual((status, headers["Content-Type"]), (200, "application/yaml"))
        self.assertEqual(api, (PROJECT / "docs" / "openapi.yaml").read_bytes())
        page = page.decode()
        for route in re.findall(r"^  (/\S+):$", api.decode(), re.MULTILINE):
            self.assertIn(f"<code>{route}</code></h4>", page)
        ids = re.findall(r'\bid="([^"]+)"', page)
        self.assertEqual(len(ids), len(set(ids)))
        for link in re.findall(r'<a [^>]*href="([^"]+)"', page):
            if link.startswith("#"):
                self.assertIn(link[1:], ids)
            else:
                self.assertEqual(self.ask(self.system.http_port, "GET", link)[0], 200, link)
        self.assertEqual(self.ask(self.system.base, "GET", "/docs")[0], 404)


# --- the operator's door --------------------------------------------------------------------------

class Door(Shop):
    def act(self, body=None, **headers):
        own = {"Origin": f"http://127.0.0.1:{self.system.base}", "Content_Type": "application/json"}
        said = self.ask(self.system.base, "POST", "/v1/ops/actions",
                        body or {"do": "item_close", "item": BOOK, "request_id": "door"},
                        **own | headers)
        return said[0], json.loads(said[2])

    def test_nobody_acts_without_the_token_or_from_elsewhere(self):
        file = self.system.run / "ops.token"
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        token = {"Authorization": "Bearer " + file.read_text(encoding="ascii").strip()}
        name = f"stampede_ops_{self.system.base}"
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer "},
                        {"Cookie": f"{name}="}, {"Cookie": f"{name}=" + "0" * 64}):
            self.assertEqual(self.act(**headers)[0], 401, headers)
        for origin in ("http://evil.example", "null", f"http://127.0.0.1:{self.system.http_port}",
                       f"http://localhost:{self.system.base}"):
            self.assertEqual(self.act(Origin=origin, **token)[0], 403, origin)
        said = self.ask(self.system.base, "POST", "/v1/ops/actions", {"do": "undo"},
                        Content_Type="application/json", **token)
        self.assertEqual((said[0], json.loads(said[2])["field"]), (403, "Origin"))
        self.assertEqual(self.system.report("item", "show", BOOK)["state"], "open")  # nothing done
        self.assertEqual(self.act(Content_Type="text/plain", **token)[0], 415)
        for body in ({"do": "stop"}, {"do": "config_reload"}, {"do": 1}, {"x": 1}, ["do"]):
            self.assertEqual(self.act(body, **token)[0], 400, body)
        self.assertEqual(self.act({"do": "kill", "node": "backend-9"}, **token)[0], 404)
        self.assertEqual(self.act({"do": "item_close", "item": 99, "request_id": "n"}, **token)[0],
                         404)
        self.assertEqual(self.ask(self.system.base, "DELETE", "/status")[0], 405)
        for path, allowed in (("/v1/ops", "GET, HEAD, OPTIONS"),
                              ("/v1/ops/logout", "POST, OPTIONS"),
                              ("/v1/ops/actions", "POST, OPTIONS"), ("/login", "GET, OPTIONS"),
                              ("/metrics", "GET, HEAD, OPTIONS")):
            for method, code in (("OPTIONS", 204), ("PUT", 405)):
                said = self.ask(self.system.base, method, path)
                self.assertEqual((said[0], said[1]["Allow"]), (code, allowed), (method, path))
        log = (self.system.run / "log" / "supervisor.log").read_text(encoding="utf-8")
        self.assertNotRegex(log, r'"item":4,.* from 127.0.0.1: done')
        self.assertEqual(self.act(**token)[0], 200)
        self.assertEqual(self.system.report("item", "show", BOOK)["state"], "closed")
        log = (self.system.run / "log" / "supervisor.log").read_text(encoding="utf-8")
        self.assertRegex(log, r'ops: \{"do":"item_close","item":4,.*\} from 127.0.0.1: done')
        must(self.system.stampede("item", "open", BOOK), "item open")

    def test_a_link_opens_once(self):
        url = self.system.report("ops")["url"]
        path = url.split(str(self.system.base), 1)[1]
        self.assertEqual(self.ask(self.system.base, "HEAD", path)[0], 405)  # a preview opens none
        status, headers, _ = self.ask(self.system.base, "GET", path)
        self.assertEqual((status, headers["Location"]), (303, "/"))
        self.assertRegex(headers["Set-Cookie"], "; HttpOnly; SameSite=Strict$")
        cookie = headers["Set-Cookie"].partition(";")[0]
        self.assertEqual(self.ask(self.system.base, "GET", path)[0], 403)
        self.assertEqual(self.act({"do": "undo"}, Cookie=cookie)[0], 200)
        own = {"Origin": f"http://127.0.0.1:{self.system.base}", "Content_Type": "application/json"}
        self.ask(self.system.base, "POST", "/v1/ops/logout", {}, Cookie=cookie, **own)
        self.assertEqual(self.act({"do": "undo"}, Cookie=cookie)[0], 401)


# --- the shop ------------------------------------------------------------------------------------

class Page(Shop):
    def setUp(self):
        super().setUp()
        if not CHROMIUM:
            self.skipTest("no Chromium; scripts/install_deps.sh --browser")
        self.pages = []

    def tearDown(self):
        for page in self.pages:
            self.assertEqual(page.faults, [])

    def shop(self, path="", **looks):
        page = self.chrome.page(f"{self.system.http}/{path}", **looks)
        self.pages.append(page)
        return page

    def item(self, number, **looks):
        page = self.shop(f"#/item/{number}", **looks)
        page.until("document.querySelector('.buy .main')")
        return page

    def buy(self, page):
        page.click(".buy .main", "Buy for")

    def stop(self, node):
        pid = self.system.pid(node)
        self.system.signal(pid, signal.SIGSTOP)
        self.addCleanup(self.system.signal, pid, signal.SIGCONT)
        return pid

    def picture(self, page, name):
        page.screenshot(SHOTS / f"{name}.png")

    def judge(self, page, name):
        """What every page is held to, whatever its language, its colours and its window."""
        self.assertEqual(page.overflow(), [], name)
        self.picture(page, name)
        self.assertEqual(page.violations(), [], name)


class Buying(Page):
    def test_a_purchase_goes_through_a_kill_of_the_backend(self):
        page = self.item(PHONE)
        self.assertIn("¥249.00", page.text())
        pid = self.stop("backend-1")
        self.buy(page)
        page.shows("Still open")
        self.picture(page, "item_open")
        page.reload()
        page.shows("Still open")
        self.system.signal(pid, signal.SIGKILL)
        page.shows("The order is confirmed.", 40)
        self.assertNotIn("Still open", page.text())
        self.picture(page, "item_confirmed")
        self.assertEqual(len(self.rows(PHONE, page)), 1)

    def test_an_order_that_a_dead_webapp_took_is_asked_again_under_its_id(self):
        page = self.item(BOOK)
        self.stop("backend-1")
        self.buy(page)
        page.shows("Still open")
        self.system.wait_back("webapp-1", self.system.kill9("webapp-1"))
        page.shows("Still open")
        self.system.signal(self.system.pid("backend-1"), signal.SIGCONT)
        page.shows("The order is confirmed.", 40)
        page.until("!document.querySelector('.notice')")
        self.assertEqual(len(self.rows(BOOK, page)), 1)

    def test_the_last_one_is_sold_once_and_everybody_sees_it(self):
        buyers = [self.item(CUP) for _ in range(2)]
        for buyer in buyers:
            buyer.until("!document.querySelector('.buy .main').disabled")
        pid = self.stop("backend-1")
        for buyer in buyers:
            self.buy(buyer)
        self.system.signal(pid, signal.SIGCONT)
        for buyer in buyers:
            buyer.until("document.querySelector('.outcome.yes, .outcome.no')")
        said = sorted(buyer.js("document.querySelector('.outcome-title').innerText")
                      for buyer in buyers)
        self.assertEqual(said, ["Sold out", "Yours"])
        for buyer in buyers:
            buyer.until("document.querySelector('.buy .main').disabled")
            self.assertEqual(buyer.js("document.querySelector('.buy .main').innerText"), "Sold out")
        self.assertEqual(len(self.rows(CUP)), 1)

    def test_a_reserved_one_is_paid_or_given_back_and_found_after_a_reload(self):
        page = self.item(LAMP)
        self.buy(page)
        page.shows("Reserved for you")
        self.assertRegex(page.text(), r"Pay within 1[45]:\d\d")
        self.picture(page, "item_unpaid")
        page.click(".outcome .main", "Pay ¥89.00")
        page.shows("Thank you.")
        self.buy(page)
        page.shows("Reserved for you")
        page.click(".outcome .plain", "Give back")
        page.click(".dialog .main", "Give back")
        page.shows("You have cancelled this order.")
        page.click("nav a")
        page.reload()
        page.shows("Given back")
        page.shows("Paid")
        self.picture(page, "orders")
        self.assertEqual(sorted(row[1] for row in self.rows(LAMP, page)), ["cancelled", "paid"])

    def test_three_browsers_sell_out_a_countdown_through_a_kill_of_the_backend(self):
        item, stock = 9, 4
        must(self.system.stampede("item", "add", item, "--name", "Night train", "--stock", stock),
             "item add")
        must(self.system.stampede("item", "set", item, "--sale", "promo_only"), "item set")
        must(self.system.stampede("promo", "add", 90, "--item", item, "--name", "Night sale",
                                  "--price-cents", 100, "--starts", "+8s", "--ends", "+1h"),
             "promo add")
        pages = [self.item(item) for _ in range(3)]
        for page in pages:
            page.shows("Starts in")
            self.assertEqual(page.js("document.querySelector('.buy .main').innerText"),
                             "Not started yet")
        for page in pages:  # one each
            self.buy(page)
            page.shows("The order is confirmed.")
        pid = self.stop("backend-1")
        for page in pages:  # and one is left
            self.buy(page)
            page.shows("Still open")
        self.system.signal(pid, signal.SIGKILL)
        told = []
        for page in pages:
            page.until("document.querySelector('.outcome.yes, .outcome.no')", 40)
            told.append(page.js("document.querySelector('.outcome-title').innerText"))
        self.assertEqual(sorted(told), ["Sold out", "Sold out", "Yours"])
        for page, title in zip(pages, told):
            page.until("document.querySelector('.buy .main').innerText === 'Sold out'")
            kept = page.js("JSON.parse(localStorage['stampede.orders']).map((one) => one.phase)")
            self.assertEqual(kept, ["confirmed" if title == "Yours" else "rejected", "confirmed"])
            self.assertEqual(len(self.rows(item, page)), kept.count("confirmed"))
        self.assertEqual(sum(int(qty) for qty, _ in self.rows(item)), stock)

    def test_overdue_orders_are_asked_one_by_one_however_slow_the_answers_are(self):
        page = self.shop()
        page.before_scripts("""{
          const ask = window.fetch, now = new Map();
          globalThis.looks = { asked: [], most: 0, twice: 0 };
          window.fetch = async (path, options) => {
            if (!/^\\/v1\\/orders\\/\\w{32}$/.test(path)) return ask(path, options);
            looks.asked.push(path);
            looks.twice += now.has(path) ? 1 : 0;
            now.set(path, true);
            looks.most = Math.max(looks.most, now.size);
            try { return await ask(path, options); } finally { now.delete(path); }
          };
        }""")
        page.reload()
        page.until("localStorage['stampede.account']")
        page.js("""localStorage['stampede.orders'] = JSON.stringify([1, 2, 3, 4, 5].map((n) =>
          ({ id: String(n).repeat(32), item: %d, name: "Cup", qty: 1, price: 1, at: 1, pay_by: 1,
             user: JSON.parse(localStorage['stampede.account']).user,
             phase: "confirmed", fulfilment: "unpaid" })))""" % CUP)
        # Answers that take as long as the server may take for one.
        pid = self.stop("backend-1")
        page.reload()
        page.until("new Set(looks.asked).size === 5", 40)
        self.system.signal(pid, signal.SIGCONT)
        looks = page.js("looks")
        self.assertEqual(looks["twice"], 0, looks)
        self.assertLessEqual(looks["most"], 3, looks)  # two, and the one of a page just opened
        page.js("localStorage.removeItem('stampede.orders')")

    def test_a_countdown_goes_by_the_server_and_ends_in_a_sale(self):
        must(self.system.stampede("item", "set", VASE, "--sale", "promo_only"), "item set")
        must(self.system.stampede("promo", "add", 71, "--item", VASE, "--name", "Evening sale",
                                  "--price-cents", 9900, "--starts", "+6s", "--ends", "+1h",
                                  "--limit-per-user", 1), "promo add")
        page = self.shop()
        # A machine that is an hour wrong.
        page.before_scripts("const real = Date.now; Date.now = () => real() + 3600e3;")
        page.open(f"{self.system.http}/#/item/{VASE}")
        page.reload()
        page.shows("Starts in")
        self.assertLess(page.js("+document.querySelector('.countdown-cells span:last-child b')"
                                ".innerText"), 7)
        self.assertEqual(page.js("document.querySelector('.buy .main').innerText"),
                         "Not started yet")
        self.picture(page, "item_countdown")
        self.buy(page)
        page.shows("The order is confirmed.")
        self.assertIn("¥99.00", page.text())
        self.buy(page)
        page.shows("Limit reached")

    def test_a_place_in_the_queue_is_taken_before_the_order(self):
        must(self.system.stampede("item", "add", 6, "--name", "Signed print", "--stock", 9),
             "item add")
        must(self.system.stampede("promo", "add", 80, "--item", 6, "--name", "By ticket",
                                  "--price-cents", 2500, "--starts", "now", "--ends", "+1h",
                                  "--ticket"), "promo add")
        page = self.item(6)
        self.buy(page)
        page.shows("The order is confirmed.")
        self.assertEqual(len(self.rows(6)), 1)

    def test_stock_is_heard_of_without_asking(self):
        page = self.shop()
        page.until("document.querySelectorAll('.card').length >= 4")
        heard = ("performance.getEntriesByType('resource')"
                 ".filter((one) => one.name.includes(%r)).length")
        page.until("performance.now() > 3000")  # by now it would have asked twice more
        buyer = self.item(PHONE)
        self.buy(buyer)
        buyer.shows("The order is confirmed.")
        asked = page.js(heard % "/v1/items?")
        left = self.system.report("item", "show", PHONE)["left"]
        page.until(f"document.querySelector('.feature .left').innerText === '{left} left'", 3)
        self.assertEqual(page.js(heard % "/v1/items?"), asked)

    def test_a_keyboard_is_enough(self):
        page = self.item(BOOK)
        page.js("document.querySelector('.buy .main').focus()")
        page.key("Enter", 13)
        page.shows("The order is confirmed.")
        page.click("nav a")
        page.until("document.activeElement.id === 'main'")
        page.js("document.body.focus()")
        page.open(f"{self.system.http}/")
        page.until("document.activeElement === document.body && document.querySelector('nav a')")
        page.key("Tab", 9)
        page.until("document.activeElement.className === 'skip'")


class Login(Page):
    """A shop that wants to know its buyers."""

    @classmethod
    def setUpClass(cls):
        cls.system = System(STAMPEDE_DEV="true", STAMPEDE_AUTH__MODE="required")
        cls.addClassCleanup(cls.system.stop)
        cls.system.start("1:Desk lamp:9")
        must(cls.system.stampede("item", "set", 1, "--price-cents", 8900, "--hold-s", 900), "set")

    def test_who_is_new_registers_buys_pays_and_comes_back_after_the_session_has_ended(self):
        page = self.item(1)
        self.buy(page)
        page.click(".login .quiet", "I am new here")
        self.log_in(page, "Create account", "short")
        page.shows("Choose another password")
        self.picture(page, "login")
        self.log_in(page, "Create account")
        page.until("!document.querySelector('dialog')")
        self.assertIn("ann", page.text())
        self.buy(page)
        page.shows("Reserved for you")
        page.click(".outcome .main", "Pay")
        page.shows("Thank you.")
        for verb in ("lock", "unlock"):
            must(self.system.stampede("user", verb, "ann"), verb)
        page.until(self.SESSION_IS_OVER)
        self.buy(page)
        page.shows("Log in again, then your order goes on.")
        self.log_in(page, "Log in", "wrong password")
        page.shows("User name or password is wrong.")
        self.log_in(page, "Log in")
        page.shows("Reserved for you")
        self.assertEqual(sorted(row[1] for row in self.rows(1, page)), ["paid", "unpaid"])

    def test_who_closes_the_form_while_paying_is_not_asked_again_and_pays_once_logged_in(self):
        page = self.item(1)
        self.buy(page)
        page.click(".login .quiet", "I am new here")
        self.log_in(page, "Create account", user="eve")
        page.until("!document.querySelector('dialog')")
        self.buy(page)
        page.shows("Reserved for you")
        for verb in ("lock", "unlock"):
            must(self.system.stampede("user", verb, "eve"), verb)
        page.until(self.SESSION_IS_OVER)
        page.js("""globalThis.forms = 0; new MutationObserver((changes) => {
            for (const { addedNodes } of changes)
              for (const one of addedNodes) forms += one.localName === "dialog" ? 1 : 0;
          }).observe(document.body, { childList: true, subtree: true })""")
        page.click(".outcome .main", "Pay")
        page.until("document.querySelector('dialog')")
        page.key("Escape", 27)
        page.until("!document.querySelector('dialog')")
        time.sleep(4)  # as long as three more questions would take
        self.assertEqual(page.js("forms"), 1)
        page.shows("Log in again, then your order goes on.")
        page.click(".top-end button", "Log in")
        self.log_in(page, "Log in", user="eve")
        page.shows("Thank you.")
        self.assertNotIn("Log in again", page.text())
        self.assertEqual(self.rows(1, page), [["1", "paid"]])

    SESSION_IS_OVER = """fetch("/v1/orders/none", {headers: {Authorization: "Bearer " + JSON.parse(
        localStorage.getItem("stampede.account")).token}}).then((said) => said.status === 401)"""

    def log_in(self, page, button, password="correct horse", user="ann"):
        page.fill("user", user)
        page.fill("password", password)
        page.click(".login .main", button)


class Looks(Page):
    def test_the_shop_is_readable_everywhere(self):
        for language, width, dark in (("en", 1280, False), ("zh", 360, False), ("en", 360, True),
                                      ("zh", 1280, True)):
            with self.subTest(language=language, width=width, dark=dark):
                name = f"{language}_{width}{'_dark' if dark else ''}"
                page = self.shop(language=language, width=width, dark=dark)
                page.shows({"en": "Half price", "zh": "距结束"}[language])
                page.until("document.querySelectorAll('.card').length >= 4")
                self.judge(page, f"shop_{name}")
                page.open(f"{self.system.http}/#/item/{PHONE}")
                page.click(".buy .main")
                page.shows({"en": "Yours", "zh": "抢到了"}[language])
                self.judge(page, f"item_{name}")
                page.click("nav a")
                page.shows({"en": "My orders", "zh": "我的订单"}[language])
                self.judge(page, f"orders_{name}")

    def test_the_reference_for_clients_is_readable_everywhere(self):
        for language, width, dark in (("en", 1280, False), ("zh", 360, True), ("en", 360, False)):
            with self.subTest(language=language, width=width, dark=dark):
                page = self.shop("docs", language=language, width=width, dark=dark)
                page.shows({"en": "For whoever writes a client", "zh": "客户端开发参考"}[language])
                page.shows("/v1/orders/{id}/payments")
                page.until("document.querySelector('#languages button')")
                other = {"en": "本页内容", "zh": "On this page"}[language]
                self.assertNotIn(other, page.text())
                self.judge(page, f"docs_{language}_{width}{'_dark' if dark else ''}")

    def test_the_other_language_is_one_click_away_and_stays(self):
        page = self.shop()
        page.click(".top-end button", "中文")
        page.shows("我的订单")
        self.assertEqual(page.js("document.documentElement.lang"), "zh-CN")
        page.reload()
        page.shows("我的订单")


# --- the operator's page -------------------------------------------------------------------------

class Ops(Page):
    def ops(self, signed_in=True, **looks):
        url = self.system.report("ops")["url"] if signed_in else f"{self.system.health}/"
        page = self.chrome.page(url, **looks)
        self.pages.append(page)
        page.until("document.querySelector('.tiles')")
        return page

    def test_an_operator_closes_and_opens_an_item_and_sees_the_command(self):
        page = self.ops()
        page.click("tr:has(th) .act", "Close")
        page.shows("stampede item close 1")
        self.picture(page, "ops_confirm")
        page.click(".dialog .main", "Do it")
        page.shows("Done: stampede item close 1")
        page.until("document.querySelector('#items ~ .scroll tbody td:nth-child(4)').innerText"
                   " === 'closed'")
        page.click("tr:has(th) .act", "Open")
        page.click(".dialog .main", "Do it")
        page.shows("Done: stampede item open 1")

    def test_an_operator_stops_the_sale_and_goes_on(self):
        page = self.ops()
        page.click(".act", "Take no more orders")
        page.click(".dialog .main", "Do it")
        page.shows("drained by the operator")  # an alarm, until it is over
        page.click(".act", "Take orders again")
        page.click(".dialog .main", "Do it")
        page.until("!document.querySelector('.alarm-bar')")

    def test_what_the_database_has_refused_is_tried_again(self):
        self.system.sql("CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW SET "
                        "NEW.user_id = IF(NEW.user_id = 'carl', REPEAT('x', 99), NEW.user_id)")
        self.system.report("order", BOOK, "--user", "carl")
        self.assertEqual(self.system.stampede("order", 99, "--user", "carl").returncode, 1)
        page = self.ops()
        page.shows("One command failed in the database.")
        page.shows("no such item (unknown_item)")
        self.system.sql("DROP TRIGGER refuse")
        page.click(".act", "Retry failed")
        page.shows("stampede log retry")
        page.click(".dialog .main", "Do it")
        page.shows("Done: stampede log retry")
        page.until("!document.querySelector('.alarm-bar')", 40)
        self.assertEqual(len(self.system.sql("SELECT 1 FROM orders WHERE user_id = 'carl'")), 1)

    def test_with_the_supervisor_that_it_was_opened_at_a_session_ends_and_that_is_seen(self):
        page = self.ops()
        page.shows("Signed in")
        self.system.restart("supervisor-1")
        page.shows("Signed out by a restart", 10)
        page.click("tr:has(th) .act", "Close")
        page.shows("stampede ops")
        self.assertEqual(page.js("document.querySelectorAll('.dialog .danger').length"), 0)

    def test_without_signing_in_it_is_read_only(self):
        page = self.ops(signed_in=False)
        page.click(".act", "Close")
        page.shows("stampede ops")
        self.assertEqual(page.js("document.querySelectorAll('.dialog .danger').length"), 0)

    def test_a_recovery_is_seen_while_it_goes_on(self):
        page = self.ops()
        restarts = self.system.node("backend-1")["restarts"]
        arm_next_starts(self.system, "replayed=hang")
        page.click("tr:has(th) .act", "Kill")  # the first node that may be killed …
        page.click(".dialog .plain")  # … is not the one
        page.until("""(() => { const row = [...document.querySelectorAll('tr')].find((one) =>
            one.innerText.startsWith('backend-1'));
          [...row.querySelectorAll('button')].find((one) => one.innerText === 'Kill').click();
          return true; })()""")
        page.shows("stampede chaos kill backend-1")
        page.click(".dialog .main", "Do it")
        page.until("document.querySelector('.alarm-bar')?.innerText.includes('backend-1')")
        page.shows("Not serving")
        self.judge(page, "ops_recovery")
        self.system.kill9("backend-1")  # the next one is not held up
        page.shows("Serving", 40)
        page.until("!document.querySelector('.alarm-bar')", 40)
        self.assertGreater(self.system.node("backend-1")["restarts"], restarts)

    def judge_words(self, pages, words):
        """Alarms and nodes, which it returns: `words` are among them, and none of the other
        language."""
        whole = {}
        for language, page in pages.items():
            for word in words[language]:
                page.shows(word, 20)
            text, quotes = page.js("""[
                document.querySelector('.alarm-bar').innerText +
                  document.querySelector('#nodes').parentElement.innerText,
                [...document.querySelectorAll('.said-by')].map((one) => one.innerText)]""")
            whole[language] = text
            for quote in quotes:
                text = text.replace(quote, "")
            pictures_test.Pictures.judge_words(self, text.replace("SHOW PROCESSLIST", ""), language,
                                               words[language])
            self.judge(page, f"ops_alarms_{language}")
        return whole

    def test_alarms_of_a_stopped_node_and_a_database_that_is_away_are_true_and_translated(self):
        pages = {language: self.ops(language=language) for language in ("en", "zh")}
        must(self.system.stampede("stop", "backend-1"), "stop")
        self.addCleanup(self.system.stampede, "start", "backend-1")
        self.judge_words(pages, {
            "en": ["backend-1 is stopped.", "Its last end: exit 0: stopped by the operator",
                   "webapp-1 refuses orders: no backend serves"],
            "zh": ["backend-1：已停止", "上次结束： 退出码 0：由运维人员停止",
                   "webapp-1 拒绝订单：没有可用的后端"]})
        must(self.system.stampede("start", "backend-1"), "start")
        self.system.wait_ready()
        must(self.system.stampede("stop", "broker-1"), "stop")
        held = self.system.popen("chaos", "db", "--stop", "60s")  # for as long it waits itself
        try:
            said = self.judge_words(pages, {
                "en": ["broker-1 is stopped.", "The database is unreachable"],
                "zh": ["broker-1：已停止", "数据库无法连接"]})
            for language, words in (("en", r"The database says: .+|no answer for \d+ s: "),
                                    ("zh", r"数据库的原话： .+|\d+ 秒没有响应：")):
                self.assertRegex(said[language], words)
        finally:
            held.terminate()
            held.communicate()
            must(self.system.stampede("chaos", "undo"), "chaos undo")
            must(self.system.stampede("start", "broker-1"), "start")
            self.system.wait_ready()

    def test_alarms_are_told_in_the_readers_language(self):
        """Those that a test does not bring about; the sentences are the nodes' own."""
        sources = " ".join((PROJECT / "actors" / file).read_text(encoding="utf-8") for file in
                           ("backend/backend_report.cpp", "supervisor/supervisor_http.cpp"))
        full, away = "the log's disk is full", "the database is away or slow"
        stepped, drained = "the wall clock has stepped ", "orders are refused since "
        failed = " failed in the database "
        for sentence in (full, away, stepped, drained, failed):
            self.assertIn(f'"{sentence}', sources)
        status = {"nodes": [{"node": "backend-1", "state": "ready", "refuses": why + ": so"}
                            for why in (full, away)],
                  "drained_at": "2026-11-30T18:00:00.000Z", "database": {"state": "ok"}, "log": {},
                  "notes": [f"backend-1: {stepped}7 s forward; so", f"{drained}then: so",
                            f"2 commands{failed}so", "other"]}
        said = self.with_files(self.ops(language="zh"), """
            const { alarmsOf } = await file('ops_alarms');
            const { t } = await file('language');
            return alarmsOf({ status: %s, heardAt: performance.now() }, String, t)
              .map((one) => (one.text ?? t(one.name, one.slots)) + (one.detail?.quote ?? ''));
          """ % json.dumps(status))
        self.assertEqual([re.sub(r"自 .* 起", "", one) for one in said],
                         ["停止接收订单（运维操作）。stampede undrain 可恢复。",
                          "backend-1 拒绝订单：日志所在磁盘已满", "backend-1 拒绝订单：数据库无法连接或过慢",
                          "系统时钟向前跳了 7 秒。请校正；如果时钟无误，请运行 stampede clock accept。",
                          "节点的原话：other"])

    # As alarmsOfNumbers hears them every 15 s, the slow syncs those of dashboards/alerts_test.yml.
    NUMBERS = """
        const { alarmsOfNumbers, numbersOf, overloaded } = await file('ops_numbers');
        const { alarmsOf } = await file('ops_alarms');
        const { t } = await file('language');
        let at = 1e6;
        const hear = (steps, { free = () => 5e10, slow = 0, restarts = () => 0 }) => {
          let found;
          for (let n = 0; n <= steps; ++n, at += 15)
            found = alarmsOfNumbers(numbersOf(`stampede_log_disk_free_bytes ${free(n)}
              stampede_log_sync_seconds_bucket{le="0.1"} ${10 * n}
              stampede_log_sync_seconds_bucket{le="0.3"} ${(10 + slow) * n}
              stampede_log_sync_seconds_bucket{le="+Inf"} ${(10 + slow) * n}
              stampede_node_restarts_total{node="webapp-1"} ${restarts(n)}
              `.replace(/^ +/gm, "")), at);
          at += 1e5; // nobody looks
          return found.map((one) => t(one.name, one.slots));
        };
        const history = (line) => ({ every_s: 5, refused_per_s: { overloaded: line } });
        const times = (count, rate) => Array(count).fill(rate);
        const status = (more) => alarmsOf({ heardAt: performance.now(), history: more.history,
            status: { nodes: [], log: {}, ...more, database: { state: "ok", ...more.database } } },
          (ms) => `${ms / 1000} s`, t).map((one) => one.text ?? t(one.name, one.slots));
        return [
          hear(40, {}), hear(19, { slow: 10 }), hear(40, { slow: 10 }),
          hear(3, { free: () => 2147483647 }), hear(40, { free: (n) => 5e10 - 4e7 * n }),
          hear(20, { free: (n) => 5e10 - 6e7 * n }), hear(3, { restarts: (n) => n }),
          hear(4, { restarts: (n) => n }), hear(90, { restarts: (n) => Math.min(n, 4) }),
          status({ database: { lag_s: 30 } }), status({ database: { lag_s: 31 } }),
          status({ history: history([...times(20, 0), ...times(12, 3), ...times(12, 0)]) }),
          status({ history: history([...times(9, 0), ...times(13, 3), ...times(11, 0)]) }),
          status({ history: history(times(23, 3)) }),
          status({ log: { notes: ["/log/x is no file of a log"] } })];
      """

    def test_alarms_have_the_bounds_and_the_times_of_the_alert_rules(self):
        words = {
            "en": ["One sync of the log in a hundred takes 296 ms or longer; answers wait for it.",
                   "The log's disk has only 2.1 GB left.",
                   "The log's disk is full within 4 hours if it goes on like this.",
                   "webapp-1 was started again 4 times in 10 minutes.",
                   "The database is 31 s behind the sale.",
                   "For over a minute orders have been refused for want of room (overloaded).",
                   "/log/x is no file of a log"],
            "zh": ["每一百次日志落盘就有一次需要 296 ms 或更久，响应要等它。", "日志所在磁盘仅剩 2.1 GB。",
                   "照此速度，日志所在磁盘将在 4 小时内写满。", "webapp-1 在 10 分钟内重启了 4 次。",
                   "数据库落后于销售 31 s。", "一分多钟以来一直有订单因容量不足被拒绝（overloaded）。",
                   "/log/x 不是日志文件"]}
        for language, (sync, low, soon, restarts, behind, full, note) in words.items():
            self.assertEqual(
                self.with_files(self.ops(language=language), self.NUMBERS),
                [[], [], [sync], [low], [], [soon], [], [restarts], [], [], [behind], [], [full],
                 [], [note]])

    def test_the_books_are_watched_and_an_alarm_when_they_differ(self):
        self.system.report("order", BOOK, "--user", "dora")
        pages = {language: self.ops(language=language) for language in ("en", "zh")}
        words = {"en": ["Last verify", "stampede verify", "Each difference is named by:",
                        "The last verify has found one difference between memory, log and "
                        "database.",
                        "docs/runbook.md#stampedebooksdiffer"],
                 "zh": ["上次核对", "stampede verify", "逐一列出差异的命令：",
                        "上次核对发现内存、日志与数据库之间有 1 处差异。",
                        "docs/runbook.md#stampedebooksdiffer"]}
        self.system.verify()
        for page in pages.values():
            page.until("/ ago$| 前$/.test(document.querySelector('#books + .facts dd').innerText)")
            self.assertEqual(page.js("document.querySelector('.alarm-bar')"), None)
        self.system.sql("UPDATE orders SET qty = qty + 1 WHERE user_id = 'dora'")
        try:
            self.assertEqual(self.system.stampede("verify").returncode, 4)
            for language, page in pages.items():
                for word in words[language]:
                    page.shows(word)
                self.judge(page, f"ops_books_{language}")
        finally:
            self.system.sql("UPDATE orders SET qty = qty - 1 WHERE user_id = 'dora'")
            self.system.verify()
        for page in pages.values():
            page.until("!document.querySelector('.alarm-bar')")

    @staticmethod
    def with_files(page, script):
        """What a script gives back that may import the page's own files."""
        return page.js("""(async () => {
            const file = (name) => import(performance.getEntriesByType('resource')
              .map((one) => one.name).find((one) => one.includes(`/assets/${name}.`)));
            %s
          })()""" % script)

    def test_what_the_supervisor_says_is_translated_and_what_others_say_is_quoted(self):
        """All that its sources say of an end, of itself, and to an operator who is refused."""
        said = lambda files, pattern: [
            one for file in files
            for one in re.findall(pattern, (PROJECT / "actors" / file).read_text(encoding="utf-8"))]
        role = [f"supervisor/supervisor_{one}.cpp" for one in ("role", "config", "admin", "chaos")]
        whys = said(role, r'(?:terminate|kill)\("([^"]+)"\)|why = "([^"]+)"')
        whys = {one or other for one, other in whys}
        self.assertLessEqual({"stopped by the operator", "its configuration changed"}, whys)
        whys |= {one + " 2.0 s" for one in
                 said(["supervisor/core/restart_policy.cpp"], r'return "([^"]+) " \+ seconds')}
        whys |= set(said(["node/node.cpp", "backend/backend_start.cpp"], r'fail\([01], "([^"]+)"'))
        self.assertGreaterEqual(len(whys), 10)
        ends = [f"exit 0: {why}" for why in whys] + ["SIGKILL", "killed or crashed", "signal 99",
                                                    "not started: see log/webapp-1.log"]
        guard = "".join(re.findall(r'"([^"]*)"', said(role, r"kGuardGone =([^;]+(?:;[^;]+)?;)")[0]))
        notes = [guard, "supervisor-1: no tool can ask: cannot listen on admin.sock: so",
                 "webapp-1: nearly all 64 file descriptors are in use: so",
                 "segments of the log are missing in /log: 3, 4; it was not log.retain_s that did"]
        refusals = said(role[2:], r'refusal\(\s*"(?!bad_request)[a-z_ ]+",\s*"([^"]+)",\s')
        self.assertIn("the system is being stopped; start it again afterwards", refusals)
        refusals += ["backend-1 waits for you: exit 0: stopped by the operator; mend that, then "
                     "`stampede start`", "there is no node webapp-9",
                     "100 commands are open; try again",
                     "backend-1 was stopped by the operator; `stampede start backend-1` starts it",
                     "webapp-1 is starting; try again later",
                     "webapp-1 did not answer in time; it may still do it: so",
                     "chaos is refused because dev is false; set", "there is no such item",
                     "the backend does not serve yet: the disk of the command log is full"]
        (full,) = said(["sale/limits.cpp"], r'"(the disk of the command log[^"]+)"')
        refusals.append(full)
        ours = ["no answer for 9 s: the server hangs, waits for a lock or is slow; "
                "see SHOW PROCESSLIST"]
        asked = {"end": ends, "note": notes, "refusal": refusals, "database": ours}
        script = """
            const words = await file('ops_said');
            return Object.entries(%s).flatMap(([name, all]) => all.map((one) => words[name](one)));
          """
        chinese = self.with_files(self.ops(language="zh"), script % json.dumps(asked))
        self.assertEqual([one for one in chinese if "quote" in one], [])
        self.assertEqual([one["text"] for one in chinese
                          if not re.search("[\u4e00-\u9fff]", one["text"])], ["SIGKILL"])
        english = self.with_files(self.ops(), script % json.dumps(asked))
        self.assertEqual([one["text"] for one in english], ends + notes + refusals + ours)
        others = {"end": ["exit 70: 'x' is wrong"], "database": ["Access denied for user 'me'"],
                  "note": ["news"], "refusal": ["never"]}
        self.assertEqual(self.with_files(self.ops(language="zh"), script % json.dumps(others)),
                         [{"text": "退出码 70：", "quote": "'x' is wrong"},
                          {"quote": "Access denied for user 'me'"}, {"quote": "news"},
                          {"quote": "never"}])

    def test_the_disk_lasts_for_as_long_as_the_log_grows(self):
        day, free = 86400, 1e9
        cases = [(3600, [1e6, 1e6 + free / 240], 10), (3600, [1e6, 1e6], None),
                 (3600, [2e6, 1e6, 1e6], None), (3600, [9e9, 1e6, 1e6 + free / 24], 1),
                 (30, [0, 1e6], "unknown"), (5, [], "unknown"),
                 (1800, [None, 0, free / 48], 1), (3600, [0, 1], free / 24)]
        days = self.with_files(self.ops(), """
            const { daysLeft } = await file('ops_state');
            return %s.map(([every_s, log_bytes]) => {
              const days = daysLeft({ every_s, log_bytes }, %d);
              return days === undefined ? 'unknown' : days === Infinity ? null : days;
            });""" % (json.dumps([case[:2] for case in cases]), free))
        for told, (_, _, expected) in zip(days, cases):
            if isinstance(expected, (int, float)):
                self.assertAlmostEqual(told / expected, 1, 3)
            else:
                self.assertEqual(told, expected)
        page = self.ops()
        page.shows("disk left")
        history = {"every_s": day, "t": [0, day], "log_bytes": [0, 1], "sold_per_s": [0, 0],
                   "p50_ms": [None] * 2, "p99_ms": [None] * 2,
                   "left": [1, 1], "backlog": [0, 0], "restarts": [0, 0]}
        for language, growth, words in (("en", 1, "for > 99 d"), ("zh", 1, "可用超过 99 天"),
                                        ("en", 0, "not growing"), ("zh", 0, "没有增长")):
            page = self.ops(language=language)
            page.shows({"en": "disk left", "zh": "磁盘剩余"}[language])
            history["log_bytes"][1] = growth
            self.with_files(page, """
                const { system } = await file('ops_state');
                const { get } = system;
                system.get = () => ({ ...get(), history: %s });
                system.set(system.get());""" % json.dumps(history))
            page.shows(words)

    def test_the_page_is_readable_everywhere(self):
        for language, width, dark in (("en", 1280, False), ("zh", 360, True), ("en", 360, False)):
            with self.subTest(language=language, width=width, dark=dark):
                page = self.ops(language=language, width=width, dark=dark)
                page.shows({"en": "backend-1", "zh": "节点"}[language])
                page.until("document.querySelector('.chart canvas')")  # the last hour
                self.judge(page, f"ops_{language}_{width}{'_dark' if dark else ''}")


class ZManyItems(Page):
    """The last of all: other tests' lists stay short."""

    def test_a_list_longer_than_a_page_is_read_on(self):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.system.run / "admin.sock"))
            answers = connection.makefile()
            for first in range(1000, 1512, 16):
                puts = [{"do": "item_put", "request_id": f"many-{item}", "item": item,
                         "name": f"Card {item}", "total": 5} for item in range(first, first + 16)]
                connection.sendall(b"".join(json.dumps(put).encode() + b"\n" for put in puts))
                self.assertTrue(all(json.loads(answers.readline())["ok"] for _ in puts))
        page = self.shop()
        page.until("document.querySelector('.more button')")
        page.until("""(() => { document.querySelector('.more button')?.click();
            return document.body.textContent.includes('Card 1511'); })()""", 60)
        page.until("!document.querySelector('.more button')")


if __name__ == "__main__":
    unittest.main()
