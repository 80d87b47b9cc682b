#!/usr/bin/python3
"""Promos from the command line to the database and back: windows, prices and limits, judged once.

The backend is killed in the middle and reads all of it again from its log.
"""

import json
import threading
import time
import unittest
import urllib.error
import urllib.request

from by_hand import admin, end_database, must, start, start_database, stop_nodes
from system import SystemTest, eventually


def moment(ms):
    whole, rest = divmod(ms, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{rest:03d}Z"


def now_ms():
    return time.time_ns() // 1_000_000


class Promos(SystemTest):
    def add(self, system, promo, starts, ends, *flags, item=1, price=500):
        return system.stampede("--json", "promo", "add", promo, "--item", item, "--name",
                               f"Promo {promo}", "--price-cents", price, "--starts", starts,
                               "--ends", ends, *flags)

    def buy(self, system, name, promo=None, user="ann", item=1, qty=1):
        flags = [] if promo is None else ["--promo", promo]
        return system.report("order", item, "--user", user, "--qty", qty, "--request-id", name,
                             *flags)

    def buy_http(self, system, body):
        """Status, headers and answer of one order over HTTP that waits for its decision."""
        request = urllib.request.Request(
            system.http + "/v1/orders", json.dumps(body).encode(),
            {"Content-Type": "application/json", "Prefer": "wait=5"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.load(error)

    def item_promo(self, system):
        with urllib.request.urlopen(system.http + "/v1/items/1", timeout=20) as answer:
            return json.load(answer).get("promo")

    def test_a_window_opens_and_closes_by_the_clock(self):
        system = self.start_system("1:Phone:1000")
        starts, ends = now_ms() + 3_600_000, now_ms() + 7_200_000
        must(self.add(system, 7, moment(starts), moment(ends)), "promo add")
        early = self.buy(system, "a", 7)
        self.assertEqual((early["code"], early["retry"]), ("not_started", True))
        self.assertTrue(3_000_000 < early["retry_after_ms"] <= 3_600_000, early)
        status, headers, body = self.buy_http(
            system, {"item": 1, "user": "bob", "promo": 7, "id": "h"})
        self.assertEqual((status, body["code"]), (409, "not_started"))
        self.assertTrue(3000 < int(headers["Retry-After"]) <= 3600, headers)
        shown = self.item_promo(system)
        self.assertEqual((shown["id"], shown["state"], shown["starts_at"], shown["ends_at"],
                          shown["price_cents"]), (7, "coming", starts, ends, 500))
        starts = now_ms() + 2000
        must(system.stampede("promo", "set", 7, "--starts", moment(starts)), "promo set")
        # The same ids: nothing was decided before.
        bought = self.until(system, "a", "not_started")
        self.assertEqual((bought["state"], bought["promo"], bought["unit_price_cents"]),
                         ("confirmed", 7, 500))
        self.assertEqual(self.item_promo(system)["state"], "running")
        status, _, body = self.buy_http(system, {"item": 1, "user": "bob", "promo": 7, "id": "h"})
        self.assertEqual((status, body["state"], body["promo"], body["unit_price_cents"]),
                         (201, "confirmed", 7, 500))
        ends = now_ms() + 2000
        must(system.stampede("promo", "set", 7, "--ends", moment(ends)), "promo set")
        self.assertTrue(eventually(lambda: self.item_promo(system) is None, 30))
        late = self.buy(system, "b", 7)
        self.assertEqual((late["code"], late["retry"]), ("ended", False))
        again = self.buy(system, "a", 7)
        self.assertEqual((again["state"], again["replayed"]), ("confirmed", True))
        outside = self.buy(system, "c")
        self.assertEqual((outside["state"], outside.get("promo")), ("confirmed", None))
        system.verify()
        rows = system.sql("SELECT request_id, promo_id, unit_price_cents FROM orders ORDER BY 1")
        self.assertEqual(rows, [["a", "7", "500"], ["c", "NULL", "0"], ["h", "7", "500"]])
        outside = "SELECT COUNT(*) FROM orders o JOIN promo p ON p.id = o.promo_id " \
                  "WHERE o.decided_at < p.starts_at OR o.decided_at >= p.ends_at"
        self.assertEqual(system.number(outside), 0)

    def until(self, system, name, code):
        """The first answer to an order that is asked for again and again that is not this code."""
        answers = []

        def answered():
            answers.append(self.buy(system, name, 7))
            return answers[-1].get("code") != code
        self.assertTrue(eventually(answered, 30))
        return answers[-1]

    def test_a_command_that_is_said_again_has_its_first_answer(self):
        system = self.start_system("1:Phone:1000")
        add = lambda starts, ends: self.add(system, 7, starts, ends, "--request-id", "add")
        set_end = lambda ends: system.stampede("--json", "promo", "set", 7, "--ends", ends,
                                               "--request-id", "set")
        first = [json.loads(must(add("now", "+1h"), "promo add").stdout),
                 json.loads(must(set_end("+10m"), "promo set").stdout)]
        shown = system.report("promo", "show", 7)
        self.assertLess(abs(shown["ends_at_ms"] - now_ms() - 600_000), 60_000)
        for kill in (False, True):
            time.sleep(0.1)
            if kill:
                system.restart("backend-1")
            again = [json.loads(must(add("now", "+1h"), "promo add").stdout),
                     json.loads(must(set_end("+10m"), "promo set").stdout)]
            self.assertEqual([(one["changed"], one["lsn"]) for one in again],
                             [(one["changed"], one["lsn"]) for one in first])
            self.assertEqual(system.report("promo", "show", 7), shown)
        for done in (add("now", "+2h"), add(moment(shown["starts_at_ms"]), "+1h"),
                     set_end("+11m"), set_end(moment(shown["ends_at_ms"]))):
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("used before", done.stderr)
        self.assertEqual(system.report("promo", "show", 7), shown)
        for starts in ("-30000d", "+3000000d"):
            self.assertNotEqual(self.add(system, 8, starts, "+1h").returncode, 0)

    def test_what_is_decided_survives_kills_and_an_absent_database(self):
        system = self.start_system("1:Phone:1000", "2:Watch:1000")
        end_database(system)
        must(self.add(system, 7, "now", "+1h", "--limit-per-user", 2), "promo add")
        must(self.add(system, 8, "+1h", "+2h", item=2), "promo add")
        self.assertEqual(self.buy(system, "a", 7, qty=2)["state"], "confirmed")
        self.assertEqual(self.buy(system, "b", 7)["reason"], "limit_reached")
        must(system.stampede("promo", "set", 7, "--price-cents", 300), "promo set")
        before = system.report("promo", "list")["promos"]
        system.wait_back("backend-1", system.kill9("backend-1"))
        self.assertEqual(system.report("promo", "list")["promos"], before)
        self.assertEqual(self.buy(system, "b2", 7)["reason"], "limit_reached")
        self.assertEqual(self.buy(system, "c", 7, user="bob")["unit_price_cents"], 300)
        self.assertEqual(self.buy(system, "a", 7, qty=2)["replayed"], True)
        start_database(system)
        system.verify()
        promos = "SELECT id, item_id, price_cents, limit_per_user FROM promo ORDER BY id"
        self.assertEqual(system.sql(promos), [["7", "1", "300", "2"], ["8", "2", "500", "0"]])
        self.assertEqual(system.sql("SELECT request_id, promo_id, unit_price_cents FROM orders "
                                    "ORDER BY request_id"), [["a", "7", "500"], ["c", "7", "300"]])
        system.wait_back("backend-1", system.kill9("backend-1"))
        system.verify()
        rows = system.sql(promos)
        self.assertEqual(len(rows), 2)
        stop_nodes(system)
        for table in ("orders", "item", "promo", "lane", "meta"):
            system.sql(f"TRUNCATE TABLE {table}")
        must(system.stampede("log", "replay", "--all"), "log replay --all")
        self.assertEqual(system.sql(promos), rows)
        start(system)
        system.verify()

    def test_one_ended_by_hand_sells_nothing_more_while_buyers_press(self):
        system = self.start_system("1:Phone:100000")
        must(self.add(system, 7, "now", "+1h"), "promo add")
        answers, stop = [], threading.Event()

        def press(number):
            for i in range(10_000):
                if stop.is_set():
                    return
                answers.append(self.buy(system, f"o{number}-{i}", 7, user=f"u{number}"))

        buyers = [threading.Thread(target=press, args=(n,)) for n in range(3)]
        for buyer in buyers:
            buyer.start()
        self.assertTrue(eventually(lambda: len(answers) > 10))
        ended = system.report("promo", "end", 7)
        self.assertEqual(ended["promo"]["state"], "ended")
        sold = len(answers) + len(buyers)  # what was on its way
        self.assertTrue(eventually(lambda: len(answers) > sold + 6))
        stop.set()
        for buyer in buyers:
            buyer.join()
        for answer in answers[sold:]:
            self.assertEqual(answer.get("code"), "ended", answer)
        system.verify()
        late = "SELECT COUNT(*) FROM orders o JOIN promo p ON p.id = o.promo_id " \
               "WHERE o.decided_at >= p.ends_at"
        self.assertEqual(system.number(late), 0)

    def test_what_a_promo_cannot_be_is_refused_with_what_is_in_the_way(self):
        system = self.start_system("1:Phone:100")
        must(self.add(system, 7, "+1h", "+2h"), "promo add")
        refused = {
            "promo 7": self.add(system, 8, "+90m", "+3h"),
            "--ends must be behind --starts": self.add(system, 8, "+4h", "+3h"),
            "item": self.add(system, 8, "+4h", "+5h", item=99),
            "promo": system.stampede("--json", "promo", "end", 99)}
        for field, done in refused.items():
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(field, done.stdout + done.stderr)
        for flags in (["--starts", "noon"], ["--ends", "2026-02-30T00:00:00Z"],
                      ["--price-cents", "-1"], ["--name", "a\nb"], ["--item", "x"]):
            done = self.add(system, 9, "+6h", "+7h", *flags)
            self.assertEqual(done.returncode, 2, (flags, done.stdout))
        same = self.add(system, 8, "+3h", "+4h", "--request-id", "once")
        must(same, "promo add")
        self.assertEqual(len(system.report("promo", "list")["promos"]), 2)
        shown = system.report("promo", "show", 8)
        self.assertEqual((shown["name"], shown["state"]), ("Promo 8", "coming"))
        self.assertEqual(system.stampede("promo", "show", 9).returncode, 1)
        odd = {"do": "promo_set", "request_id": "x", "promo": 7, "ends_at_ms": 1.5}
        self.assertEqual(admin(system, odd)["field"], "ends_at_ms")
        system.verify()

    def test_a_late_order_of_a_spool_is_not_sold(self):
        system = self.start_system("1:Phone:100")
        body = {"item": 1, "user": "ann", "id": "s", "valid_until_ms": now_ms() - 1}
        status, _, answer = self.buy_http(system, body)
        self.assertEqual((status, answer["code"], answer.get("field")),
                         (409, "expired_request", None))
        body["valid_until_ms"] = now_ms() + 60_000
        self.assertEqual(self.buy_http(system, body)[0], 201)
        body["valid_until_ms"] = 1  # it was decided: nothing else is looked at
        self.assertEqual(self.buy_http(system, body)[0], 200)
        for wrong in (0, -1, 1.5, "1", 2**63, None, True):
            status, _, answer = self.buy_http(system, body | {"valid_until_ms": wrong})
            self.assertEqual((status, answer["field"]), (400, "valid_until_ms"), wrong)
            status, _, answer = self.buy_http(system, body | {"promo": wrong})
            if wrong != 0:
                self.assertEqual((status, answer["field"]), (400, "promo"), wrong)


if __name__ == "__main__":
    unittest.main(verbosity=2)
