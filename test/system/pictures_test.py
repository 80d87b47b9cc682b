#!/usr/bin/python3
"""Pictures of the pages in every look: the shop before a sale, in it, sold out, and somebody's
orders; the operator's page when all is well, while a backend replays, and with an alarm; each in
both languages, light and dark, on a phone of 360 pixels and on a screen of 1280. In none of them
does anything stick out, lie over another text or get cut off, axe finds nothing, the words that
matter can be read, and no word of the other language is among them. Nobody compares pixels: the
pictures stay in build/screenshots/looks (STAMPEDE_SCREENSHOTS names another directory) for whoever
wants to look.

Skipped, and named, without a Chromium: scripts/install_deps.sh --browser.
"""

import os
import re
import signal
import unittest
from pathlib import Path

from browser import CHROMIUM
from by_hand import arm_next_starts, must
from devtools import Chrome
from system import PROJECT, SystemTest, eventually

PHONE, CUP, LAMP, BOOK, VASE = 1, 2, 3, 4, 5
LANGUAGES = ("en", "zh")
LOOKS = [(width, dark) for width in (1280, 360) for dark in (False, True)]
SHOTS = Path(os.environ.get("STAMPEDE_SCREENSHOTS") or PROJECT / "build" / "screenshots") / "looks"
# The backend is stopped for longer than orders wait; nobody shall take that for a hang.
PATIENT = {"STAMPEDE_SUPERVISOR__MISSED_HEARTBEATS_MAX": 240,
           "STAMPEDE_SUPERVISOR__STALL_MS": 60_000}
# What is no word of either language: what the operator has called it, commands, keys, units.
NAMES = {"stampede", "trail", "phone", "enamel", "cup", "desk", "lamp", "field", "notes", "vase",
         "evening", "sale", "half", "price", "supervisor", "webapp", "broker", "backend", "english",
         "sigkill", "dev", "true", "undrain", "verify"}


@unittest.skipUnless(CHROMIUM, "no Chromium; scripts/install_deps.sh --browser")
class Chromium(SystemTest):
    @classmethod
    def setUpClass(cls):
        SHOTS.mkdir(parents=True, exist_ok=True)
        cls.chrome = Chrome().__enter__()  # pylint: disable=unnecessary-dunder-call
        cls.addClassCleanup(cls.chrome.__exit__)


class Judge(Chromium):
    def test_it_sees_what_overlaps_is_cut_off_or_sticks_out(self):
        page = self.chrome.page("data:text/html,<p>One</p><p id=two>Two</p><button>Three</button>",
                                width=360)
        self.assertEqual(page.collisions() + page.overflow(), [])
        page.js("two.style.marginTop = '-2em'")
        self.assertEqual(page.collisions(), ['"One" lies over "Two"'])
        page.js("two.style = 'width: 1em; overflow: hidden'")
        self.assertEqual(page.collisions(), ['"Two" is cut off'])
        page.js("two.style = 'width: 400px'")
        self.assertEqual(len(page.overflow()), 2)


class Pictures(Chromium):
    def setUp(self):
        self.system = self.new_system(STAMPEDE_DEV="true", **PATIENT)
        self.system.start(f"{PHONE}:Trail phone:500", f"{CUP}:Enamel cup:1", f"{LAMP}:Desk lamp:40",
                          f"{BOOK}:Field notes:120", f"{VASE}:Evening vase:3")
        for item, *terms in ((PHONE, "--price-cents", 49900), (CUP, "--price-cents", 1200),
                             (LAMP, "--price-cents", 8900, "--hold-s", 900),
                             (BOOK, "--price-cents", 1500),
                             (VASE, "--price-cents", 21900, "--sale", "promo_only")):
            must(self.system.stampede("item", "set", item, *terms), "item set")
        self.promo(71, VASE, "Evening sale", 9900, "+3h")
        self.made = set()

    def promo(self, promo, item, name, price, starts):
        must(self.system.stampede("promo", "add", promo, "--item", item, "--name", name,
                                  "--price-cents", price, "--starts", starts, "--ends", "+5h"),
             "promo add")

    def stop_backend(self):
        pid = self.system.pid("backend-1")
        self.system.signal(pid, signal.SIGSTOP)
        self.addCleanup(self.system.signal, pid, signal.SIGCONT)
        return pid

    # --- one state in every look ------------------------------------------------------------------

    def take(self, state, pages, **words):
        """Pictures of one state: `pages` by language, `words` of each that must be readable."""
        for language, page in pages.items():
            for word in words[language]:
                page.shows(word)
            for width, dark in LOOKS:
                name = f"{state}_{language}_{width}_{'dark' if dark else 'light'}"
                with self.subTest(name):
                    page.look(width=width, dark=dark, language=language)
                    page.js("scrollTo(0, 0); new Promise((done) =>"
                            "requestAnimationFrame(() => requestAnimationFrame(done)))")
                    self.assertEqual(page.js(f"[innerWidth, matchMedia('(prefers-color-scheme: "
                                             f"dark)').matches]"), [width, dark])
                    page.screenshot(SHOTS / f"{name}.png", whole=True)
                    self.made.add(name)
                    self.assertEqual(page.overflow(), [])
                    self.assertEqual(page.collisions(), [])
                    self.assertEqual(page.violations(), [])
                    self.judge_words(page.text(), language, words[language])
        self.assertEqual([page.faults for page in pages.values()], [[]] * len(pages))

    def judge_words(self, text, language, words):
        for word in words:
            self.assertIn(word, text)
        # Guests, request numbers, codes behind their words, sections of the runbook.
        text = re.sub(r"访客 [0-9a-f]{4}|[0-9a-f]{32}|[(（][a-z_]+[)）]|docs/runbook\.md#\w+", "",
                      text)
        if language == "zh":
            found = {word.lower() for word in re.findall("[A-Za-z]{3,}", text)} - NAMES
        else:
            found = set(re.findall("[\u4e00-\u9fff]+", text)) - {"中文"}
        self.assertEqual(found, set(), "words of the other language")

    # --- the shop ---------------------------------------------------------------------------------

    def shop(self, path=""):
        return {language: self.chrome.page(f"{self.system.http}/{path}", language=language)
                for language in LANGUAGES}

    def show(self, pages, path):
        for page in pages.values():
            page.open(f"{self.system.http}/#/{path}")

    def order(self, pages, item, *, settled):
        self.show(pages, f"item/{item}")
        for language, page in pages.items():
            page.until("!document.querySelector('.buy .main').disabled")
            page.click(".buy .main")
            page.shows(settled[language])

    def buy_the_last_one_before(self, pages):
        """Somebody else's order comes first, and then those of both pages."""
        self.show(pages, f"item/{CUP}")
        for page in pages.values():
            page.until("!document.querySelector('.buy .main').disabled")
        pid = self.stop_backend()
        rival = self.system.popen("order", CUP, "--user", "rival", "--timeout", "30s")
        self.addCleanup(rival.communicate)
        self.wait_open(1)
        for at, (language, page) in enumerate(pages.items(), 2):
            page.click(".buy .main")
            page.shows({"en": "Still open", "zh": "结果未定"}[language])
            self.wait_open(at)
        self.system.signal(pid, signal.SIGCONT)
        for page in pages.values():
            page.until("document.querySelector('.outcome.no')")
            page.until("document.querySelector('.buy .main').disabled")  # the stock's news is there

    def wait_open(self, count):
        """Until the webapp holds so many requests."""
        waiting = lambda: self.system.node("webapp-1")["counters"]["waiting"]
        self.assertTrue(eventually(lambda: waiting() >= count), waiting())

    def test_every_state_in_every_look(self):
        pages = self.shop()
        self.take("shop_coming", pages, en=("Evening vase", "Starts in", "¥99.00", "View"),
                  zh=("Evening vase", "距开始", "¥99.00"))
        self.promo(70, PHONE, "Half price", 24900, "now")
        self.take("shop_running", pages, en=("Half price", "Ends in", "¥249.00", "Buy now"),
                  zh=("Half price", "距结束", "¥249.00", "立即购买"))
        self.order(pages, PHONE, settled={"en": "Yours", "zh": "抢到了"})
        self.buy_the_last_one_before(pages)
        self.take("shop_sold_out", pages,
                  en=("Sold out", "Others were quicker. Nothing was bought."),
                  zh=("已售罄", "别人更快一步。没有购买成功。"))
        self.order(pages, LAMP, settled={"en": "Reserved for you", "zh": "已为您保留"})
        self.show(pages, "orders")
        self.take("shop_orders", pages, en=("My orders", "Yours", "Sold out", "Reserved for you"),
                  zh=("我的订单", "抢到了", "已售罄", "已为您保留"))
        self.ops()
        self.assertEqual(len(self.made), 7 * len(LANGUAGES) * len(LOOKS))

    # --- the operator's page ----------------------------------------------------------------------

    def ops(self):
        pages = {language: self.chrome.page(self.system.report("ops")["url"], language=language)
                 for language in LANGUAGES}
        for page in pages.values():
            page.until("document.querySelector('.chart canvas')", 40)
        self.take("ops_healthy", pages, en=("Serving", "backend-1", "Orders per second"),
                  zh=("服务中", "backend-1", "节点"))
        must(self.system.stampede("drain"), "drain")
        self.take("ops_alarm", pages, en=("Alarms", "drained by the operator"),
                  zh=("告警", "停止接收订单（运维操作）"))
        must(self.system.stampede("undrain"), "undrain")
        for page in pages.values():
            page.until("!document.querySelector('.alarm-bar')")
        arm_next_starts(self.system, "replayed=hang")
        self.system.kill9("backend-1")
        self.take("ops_replaying", pages, en=("Not serving", "replaying"), zh=("未服务", "回放日志"))
        self.system.kill9("backend-1")
        self.system.wait_ready()


if __name__ == "__main__":
    unittest.main()
