#!/usr/bin/python3
"""The JavaScript client on a real system, over ZeroMQ and HTTP: every call, and buyers beside whom
webapp, broker and backend are killed, each once and at moments the seed says. Nothing is lost or
doubled, every answer is the one in the books. And every call in a browser, where there is one.

What is not installed is skipped, and named: scripts/install_deps.sh --clients --browser.
"""

import json
import random
import shutil
import subprocess
import time
import unittest

from browser import CHROMIUM, Browser, Site
from by_hand import must
from system import PROJECT, SystemTest, eventually, seed

HERE = PROJECT / "test" / "system"
STOCK = 1_000_000
NODE = shutil.which("node")
HAS_ZEROMQ = (PROJECT / "clients" / "js" / "node_modules" / "zeromq").is_dir()
ITEMS = (f"1:Phone:{STOCK}", "2:Watch:1", "3:Lamp:10", "4:Radio:10", "5:Case:1")
PROMOS = ((7, 4, "now", "+1h", "--hold-s", 3600), (8, 1, "+2h", "+3h", "--hold-s", 3600),
          (9, 5, "now", "+1h", "--ticket", "--gate-factor", 2))


def endpoints(system):
    """What a client of each kind connects to, of those that can run here."""
    return {"http": system.http} | ({"zmq": system.zmq} if HAS_ZEROMQ else {})


def add_promo(system, promo, item, starts, ends, *rules):
    must(system.stampede("promo", "add", promo, "--item", item, "--name", f"Promo {promo}",
                         "--price-cents", 500, "--starts", starts, "--ends", ends, *rules),
         "promo add")


class Calls(SystemTest):
    maxDiff = None
    """What js_calls.mjs has seen must be the same whatever was in between."""

    def judge(self, system, seen, prefix):
        order = seen.pop("order")
        self.assertEqual({name: order[name] for name in ("id", "state", "item", "qty", "replayed")},
                         {"id": f"{prefix}-1", "state": "confirmed", "item": 1, "qty": 2,
                          "replayed": False})
        first, second = seen.pop("last")
        self.assertEqual([first["state"], second["state"], second["reason"]],
                         ["confirmed", "rejected", "sold_out"])
        refused = lambda code, **more: {"name": "StampedeError", "code": code, "retry": False,
                                        **more}
        for_now = {"name": "SoldOutForNow", "code": "sold_out", "retry": True}
        unknown = seen.pop("nobody")
        self.assertEqual((unknown["name"], unknown["code"]), ("StampedeError", "unknown_request"))
        self.assertEqual(seen, {
            "ping": "ready", "items": [[1, "Phone", STOCK], [2, "Watch", 1], [3, "Lamp", 10],
                                       [4, "Radio", 10], [5, "Case", 1]],
            "item": [[3, "Lamp", 10, "bigint"]], "again": [True, True], "minted": 32,
            "reused": refused("key_reused"), "unknown": refused("unknown_item", field="item"),
            "tooMany": refused("bad_request", field="qty"),
            "many": [["confirmed", None, False], ["unknown_item", None, None],
                     ["rejected", "sold_out", False], ["confirmed", None, True]],
            "confirmed": 1998, "get": "confirmed", "stock": [[10, 10], [7, 10]],
            "promo": [7, "running", 500, True], "bought": [7, 500, "unpaid", True],
            "wrongAmount": refused("bad_request", field="amount_cents"),
            "paid": [f"{prefix}-p", True, "paid"], "paidAgain": True,
            "paidTwice": refused("already_paid", field="order"),
            "notCancelled": refused("not_cancellable", field="order"),
            "notHis": refused("not_allowed", field="user"), "cancelled": "cancelled",
            "fulfilments": ["paid", "cancelled", "none"],
            "early": refused("not_started", name="NotStarted", retry=True),
            "noPromo": refused("unknown_promo", field="promo"), "late": refused("expired_request"),
            "ofArray": ["not_started", "unpaid"],
            "ticket": [f"{prefix}-t1", 9, 5, True], "sameTicket": [True, True],
            "ticketRules": [refused("ticket_required", field="ticket"),
                            refused("ticket_invalid", field="ticket"), refused("gate_closed")],
            "withTicket": [f"{prefix}-t1", "confirmed", 9], "forNow": for_now,
            "forNowOfArray": [["SoldOutForNow", "sold_out"]],
            "noneToGive": refused("gate_closed")})
        system.verify()
        self.assertEqual(
            system.sql("SELECT request_id, promo_id, fulfilment, payment_id FROM orders "
                       "WHERE promo_id IS NOT NULL ORDER BY 1"),
            [[f"{prefix}-p", "7", "paid", f"{prefix}-p"], [f"{prefix}-q", "7", "cancelled", "NULL"],
             [f"{prefix}-s2", "7", "unpaid", "NULL"], [f"{prefix}-t1", "9", "none", "NULL"]])
        rows = system.sql(f"SELECT request_id, order_id FROM orders WHERE request_id LIKE "
                          f"'{prefix}-%'")
        # -1, -2, -4, -m…, -s, -p, -q, -s2, -t1
        self.assertEqual(len(rows), 1 + 1 + 1 + 1996 + 1 + 3 + 1)
        self.assertIn([f"{prefix}-1", order["order_id"]], rows)

    @unittest.skipUnless(NODE, "node is not installed")
    def test_every_call_over_http(self):
        self.run_calls("http")

    @unittest.skipUnless(NODE and HAS_ZEROMQ, "node or clients/js/node_modules is not there")
    def test_every_call_over_zeromq(self):
        self.run_calls("zmq")

    def start_sale(self, **environment):
        system = self.start_system(*ITEMS, **environment)
        for promo in PROMOS:
            add_promo(system, *promo)
        return system

    def run_calls(self, kind):
        system = self.start_sale()
        done = subprocess.run([NODE, HERE / "js_buyer.mjs", "calls", endpoints(system)[kind], kind],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.judge(system, json.loads(done.stdout), kind)
        example = subprocess.run([PROJECT / "clients" / "js" / "order.mjs", "eve",
                                  endpoints(system)[kind]], capture_output=True, text=True,
                                 timeout=60, check=False)
        self.assertEqual((example.returncode, example.stderr), (0, ""))
        self.assertEqual(json.loads(example.stdout)["state"], "confirmed")

    @unittest.skipUnless(CHROMIUM, "no chromium-headless-shell")
    def test_every_call_in_a_browser(self):
        with Site(script) as site:
            system = self.start_sale(STAMPEDE_WEBAPP__ORIGINS=site.origin)
            site.pages["/page"] = PAGE.format(base=system.http, prefix="page")
            with Browser(f"{site.origin}/page"):
                seen = site.told(90)
        self.judge(system, seen, "page")


PAGE = """<!doctype html><meta charset="utf-8"><script type="module">
const told = (value) => fetch('/told', {{ method: 'POST', body: JSON.stringify(value) }});
try {{
  const {{ HttpClient }} = await import('/clients/js/stampede/http_client.js');
  const {{ calls }} = await import('/test/system/js_calls.mjs');
  await told(await calls(new HttpClient('{base}'), '{prefix}'));
}} catch (error) {{
  await told({{ error: String(error), stack: error.stack }});
}}
</script>"""


def script(path):
    """A file of the project's JavaScript, as the page asks for it."""
    file = PROJECT / path.lstrip("/")
    if file.suffix not in (".js", ".mjs") or not file.is_file():
        return None
    return "text/javascript", file.read_bytes()


@unittest.skipUnless(NODE, "node is not installed")
class Kills(SystemTest):
    def test_nothing_is_lost_or_doubled_whatever_dies(self):
        chance = random.Random(seed())
        system = self.start_system(f"1:Phone:{STOCK}", f"2:Watch:{STOCK}")
        add_promo(system, 7, 1, "now", "+1h", "--hold-s", 3600)
        add_promo(system, 8, 2, "now", "+1h", "--ticket")
        ledgers = {kind: system.home / kind for kind in endpoints(system)}
        buyers = []
        for kind, endpoint in endpoints(system).items():
            with open(ledgers[kind], "w", encoding="utf-8") as ledger:
                buyers.append(subprocess.Popen(
                    [NODE, HERE / "js_buyer.mjs", "buy", endpoint, kind], stdin=subprocess.PIPE,
                    stdout=ledger, stderr=subprocess.PIPE, text=True))
            self.addCleanup(self.end, buyers[-1])
        size = lambda: [ledger.stat().st_size for ledger in ledgers.values()]
        bought = lambda before: all(now > then for now, then in zip(size(), before))
        for node in chance.sample(("webapp-1", "broker-1", "backend-1"), 3):
            before = size()
            self.assertTrue(eventually(lambda: bought(before), 60), f"nobody buys before {node}")
            time.sleep(chance.random())
            system.wait_back(node, system.kill9(node), 60)
        before = size()
        self.assertTrue(eventually(lambda: bought(before), 60), "nobody buys at the end")
        for buyer in buyers:
            _, errors = buyer.communicate("", timeout=120)
            self.assertEqual((buyer.returncode, errors), (0, ""))
        self.judge(system, ledgers)

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def judge(self, system, ledgers):
        lines = [line.split() for ledger in ledgers.values()
                 for line in ledger.read_text(encoding="utf-8").splitlines()]
        self.assertEqual({state for _, state, *_ in lines}, {"confirmed"})
        told = {name: rest for name, _, *rest in lines}
        self.assertEqual(len(told), len(lines))
        self.assertEqual({end for _, end in told.values()}, {"none", "paid", "cancelled"})
        system.verify()
        stored = {name: rest for name, *rest in
                  system.sql("SELECT request_id, order_id, fulfilment FROM orders")}
        self.assertEqual((told.keys() - stored.keys(), stored.keys() - told.keys()), (set(), set()))
        self.assertEqual(stored, told)
        gone = sum(1 for _, end in told.values() if end == "cancelled")
        self.assertEqual(system.number("SELECT SUM(amount) FROM item"),
                         2 * STOCK - len(told) + gone)
        tickets = system.number("SELECT COUNT(*) FROM orders WHERE promo_id = 8")
        self.assertGreater(tickets, 0)
        self.assertEqual(system.number("SELECT granted FROM promo WHERE id = 8"), tickets)
        print(f"{len(told)} orders over {' and '.join(ledgers)}, 3 kills, 0 lost, 0 doubled")


if __name__ == "__main__":
    unittest.main(verbosity=2)
