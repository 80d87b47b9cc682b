#!/usr/bin/python3
"""The sale's clock when the wall clock has stepped forward: told, and not believed until an
operator accepts it.

What a step does is made here without one: the clock that a process leaves to the next is put back.
Steps of the wall clock itself, under load: row F28 of the fault matrix (test/torture).
"""

import json
import time
import unittest
import urllib.request

from by_hand import must, start, stop_nodes
from desk import JOURNAL, Desk
from system import SystemTest, eventually

HOURS_US = 2 * 3600 * 10**6


class Clock(SystemTest):
    def put_back(self, system):
        """As if the wall clock had stepped two hours forward: the backend starts with the clock
        from before."""
        file = system.run / "backend-1.clock"
        kept = json.loads(file.read_text(encoding="ascii"))
        kept["offset_us"] -= HOURS_US
        file.write_text(json.dumps(kept), encoding="ascii")
        system.restart("backend-1")

    def alarm(self, system):
        return system.node("backend-1").get("clock")

    def accept(self, system, name):
        return system.report("clock", "accept", "--request-id", name)

    def add_promo(self, system, promo, item, starts, ends, *flags):
        must(system.stampede("promo", "add", promo, "--item", item, "--name", "Half",
                             "--price-cents", 500, "--starts", starts, "--ends", ends, *flags),
             "promo add")

    def fulfilments(self, desk, names):
        return {desk.ask("get", name).get("fulfilment") for name in names}

    def check_told(self, system):
        self.assertTrue(eventually(lambda: self.alarm(system)), system.status())
        self.assertLess(abs(self.alarm(system)["ahead_s"] - 7200), 60)
        done = system.stampede("--json", "health", "--wait", "30s")
        self.assertEqual(done.returncode, 0, done.stderr)
        told = [" ".join(json.loads(done.stdout)["notes"])]
        with urllib.request.urlopen(system.health + "/readyz", timeout=20) as answer:
            told.append(" ".join(json.load(answer)["notes"]))
        told.append(system.stampede("status").stdout)
        told.append((system.run / "log" / "backend-1.log").read_text(encoding="utf-8"))
        for text in told:
            self.assertIn("stepped 7200 s forward", text.replace("7199", "7200"))
            self.assertIn("stampede clock accept", text)

    def test_a_step_forward_waits_for_the_operator_and_happens_once(self):
        system = self.start_system("1:Phone:100", "2:Watch:10", STAMPEDE_BACKEND__HOLD_GRACE_S="0")
        self.assertEqual(self.accept(system, "early")["changed"], False)
        self.assertIsNone(self.alarm(system))
        self.put_back(system)
        self.check_told(system)
        # All of these by the clock from before: two hours ago, to everybody else.
        self.add_promo(system, 7, 1, "now", "+1h", "--hold-s", 1800)
        true_now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.add_promo(system, 8, 2, true_now, "+4h")
        with Desk(system) as desk:
            for name in ("a", "b", "c"):
                bought = desk.order(name, qty=2)
                self.assertEqual(bought["fulfilment"], "unpaid")
                self.assertLess(abs(bought["pay_by"] / 1000 - time.time() + 7200 - 1800), 60)
            early = desk.order("w", promo=8, item=2)
            self.assertEqual(early["code"], "not_started")
            self.assertLess(abs(early["retry_after_ms"] - 7_200_000), 60_000)
            self.assertEqual(desk.pay("p", "a", 1000)["fulfilment"], "paid")
            for _ in range(2):
                system.restart("backend-1")
                self.check_told(system)
                time.sleep(0.5)
                self.assertEqual(self.fulfilments(desk, "bc"), {"unpaid"})
            accepted = self.accept(system, "right")
            self.assertTrue(accepted["changed"])
            self.assertLess(abs(accepted["stepped_s"] - 7200), 60)
            self.assertEqual(self.accept(system, "right"), accepted)
            self.assertEqual(self.accept(system, "again")["changed"], False)
            self.assertTrue(eventually(lambda: self.fulfilments(desk, "bc") == {"expired"}))
            self.assertEqual(self.fulfilments(desk, "a"), {"paid"})
            self.assertEqual(desk.order("d")["code"], "ended")
            self.assertEqual(desk.order("w", promo=8, item=2)["state"], "confirmed")
            self.assertTrue(eventually(lambda: self.alarm(system) is None))
            self.assertNotIn("clock accept", json.dumps(system.report("health")))
            system.restart("backend-1")
            self.assertIsNone(self.alarm(system))
            self.assertEqual(self.accept(system, "right"), accepted)
        system.verify()
        for item, total, amount, moved in system.sql(JOURNAL):
            self.assertEqual(int(total) + int(moved), int(amount), f"item {item}")
        self.assertEqual(system.sql("SELECT delta, reason, COUNT(*) FROM stock_change GROUP BY "
                                    "order_id, delta, reason"), [["2", "expired", "1"]] * 2)
        stop_nodes(system)
        start(system)
        system.verify()

    def test_what_cannot_be_is_refused(self):
        system = self.start_system("1:Phone:1")
        for flags in ((), ("forget",), ("accept", "now"), ("accept", "--request-id", "a b"),
                      ("accept", "--request-id", "")):
            self.assertEqual(system.stampede("clock", *flags).returncode, 2, flags)
        shown = system.stampede("clock", "accept").stdout
        self.assertIn("unchanged", shown)
        self.assertIn("nothing to accept", shown)
        self.assertIn("request ", shown)


if __name__ == "__main__":
    unittest.main(verbosity=2)
