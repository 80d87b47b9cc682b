#!/usr/bin/python3
"""A whole sale by the clock: announced, opened, closed, paid for or given back, by buyers of
every manner over ZeroMQ and HTTP at three webapps, with tickets; once by buyers whom the shop has
logged in, with kills in the middle, and once without either. At the end each buyer's last answer
is the one in the books, and the books close.

STAMPEDE_SALE_BUYERS: default 1,200 (the long form is 20,000); a twentieth of them finds a unit.
"""

import collections
import json
import os
import random
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from by_hand import must
from sale_buyers import base64url, session
from system import SystemTest, eventually, seed

BUYERS = int(os.environ.get("STAMPEDE_SALE_BUYERS", "1200"))
STOCK = BUYERS // 20
GATE_FACTOR = 5
LIMIT = 2
HOLD_S = 5
PRICE = 500
LONG = BUYERS >= 10_000
BEGINS_IN_S = 20 if LONG else 7  # every buyer has had the time to ask for a ticket
LASTS_S = 20 if LONG else 13
NODES = "webapp=3,broker=1,backend=1"
PROCESSES = 2
HERE = Path(__file__).resolve().parent


class Sale(SystemTest):
    maxDiff = None
    sessions = {}

    def open_sale(self, system):
        """The promo's (start, end) in Unix seconds."""
        starts = time.time() + BEGINS_IN_S
        at = lambda moment: time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + \
            f".{int(moment * 1000) % 1000:03d}Z"
        must(system.stampede("promo", "add", 7, "--item", 1, "--name", "Half", "--price-cents",
                             PRICE, "--starts", at(starts), "--ends", at(starts + LASTS_S),
                             "--ticket", "--gate-factor", GATE_FACTOR, "--hold-s", HOLD_S,
                             "--limit-per-user", LIMIT), "promo add")
        return starts, starts + LASTS_S

    def send_buyers(self, system, number, starts, ends):
        """Starts the processes; what each buyer was told comes from outcomes()."""
        share = BUYERS // PROCESSES
        self.files, self.processes = [], []
        for process in range(PROCESSES):
            plan = system.home / f"plan-{process}"
            plan.write_text(json.dumps({
                "seed": number, "first": process * share, "buyers": share, "promo": 7, "item": 1,
                "price_cents": PRICE, "starts": starts, "ends": ends, "hold_s": HOLD_S,
                **self.sessions,
                "endpoints": [f"tcp://127.0.0.1:{system.base + 1 + 100 * n}" for n in range(3)],
                "http_ports": [system.http_port + 100 * n for n in range(3)]}))
            output = tempfile.TemporaryFile(mode="w+", dir=system.home)
            errors = tempfile.TemporaryFile(mode="w+", dir=system.home)
            self.files.append((output, errors))
            self.processes.append(subprocess.Popen(
                ["/usr/bin/python3", HERE / "sale_buyers.py", plan], stdin=subprocess.DEVNULL,
                stdout=output, stderr=errors))
            self.addCleanup(self.processes[-1].kill)

    def outcomes(self, seconds):
        told = []
        for process, (output, errors) in zip(self.processes, self.files):
            self.assertEqual(process.wait(seconds), 0, errors.seek(0) or errors.read()[-2000:])
            output.seek(0)
            told += [json.loads(line) for line in output]
        self.assertEqual(len(told), BUYERS // PROCESSES * PROCESSES)
        return told

    def shop_key(self):
        """What a webapp knows the shop's tokens by; the buyers' plan gets the secret."""
        secret = base64url(os.urandom(32))
        self.sessions = {"secret": secret, "service": session(secret, "shop", "service")}
        folder = tempfile.TemporaryDirectory(prefix="st-")
        self.addCleanup(folder.cleanup)
        file = Path(folder.name) / "keys.json"
        file.write_text(json.dumps({"keys": [{"kty": "oct", "kid": "sale", "alg": "HS256",
                                              "k": secret}]}))
        file.chmod(0o600)
        return {"STAMPEDE_AUTH__MODE": "required", "STAMPEDE_AUTH__KEYS_FILE": str(file)}

    def run_sale(self, kills, **environment):
        number = seed()
        rng = random.Random(number)
        system = self.start_system(f"1:Phone:{STOCK}", nodes=NODES,
                                   STAMPEDE_BACKEND__HOLD_GRACE_S="1", **environment)
        starts, ends = self.open_sale(system)
        self.send_buyers(system, number, starts, ends)
        for node in kills:
            moment = rng.uniform(starts - 1, starts + LASTS_S / 2)
            time.sleep(max(0.0, moment - time.time()))
            system.wait_back(node, system.kill9(node), 60)
        told = self.outcomes(LASTS_S + 180)
        # Nobody pays any more: what is unpaid is given back, even what was taken last.
        self.assertTrue(eventually(lambda: system.number(
            "SELECT COUNT(*) FROM orders WHERE fulfilment = 'unpaid'") == 0, 60))
        system.verify()
        self.judge(system, told)

    def judge(self, system, told):
        faults = [fault for buyer in told for fault in buyer["faults"]]
        self.assertEqual(faults, [])
        promo = json.loads(must(system.stampede("--json", "promo", "show", 7), "promo show").stdout)
        given = {ticket for buyer in told for ticket in buyer["tickets"]}
        self.check_tickets(promo, given)
        self.check_orders(system, told, given)
        self.check_books(system)
        codes = collections.Counter()
        for buyer in told:
            codes.update(buyer["codes"])
        print(f"{len(given)} tickets, {system.number('SELECT COUNT(*) FROM orders')} orders of "
              f"{STOCK} units, {system.number('SELECT COUNT(*) FROM stock_change')} given back or "
              f"taken late; {dict(codes)}", flush=True)
        self.assertIn("gate_closed", codes)

    def check_tickets(self, promo, given):
        """All that the gate lets through, and not one more."""
        self.assertEqual(promo["granted"], STOCK * GATE_FACTOR)
        self.assertEqual(len(given), STOCK * GATE_FACTOR)

    def check_orders(self, system, told, given):
        stored = {name: (user, fulfilment, order) for name, user, fulfilment, order in system.sql(
            "SELECT request_id, user_id, fulfilment, order_id FROM orders")}
        self.assertGreaterEqual(len(stored), STOCK)
        self.assertEqual(stored.keys() - given, set(), "an order without a ticket")
        heard = {}
        for buyer in told:
            for name, answer in buyer["orders"].items():
                if answer.get("state") == "confirmed":
                    heard[name] = (buyer["user"], answer["order_id"])
                    self.check_end(name, answer, stored[name][1])
        self.assertEqual({name: (user, order) for name, (user, _, order) in stored.items()}, heard)

    def check_end(self, name, answer, stored):
        """Who paid has what the payment was told; who did not, nothing."""
        ends = {"unpaid": {"expired"}}.get(answer["fulfilment"], {answer["fulfilment"]})
        self.assertIn(stored, ends, f"{name}: {answer}")

    def check_books(self, system):
        over = system.sql(f"SELECT user_id, SUM(qty) AS n FROM orders WHERE fulfilment = 'paid' "
                          f"GROUP BY user_id HAVING n > {LIMIT}")
        self.assertEqual(over, [])
        paid = system.number("SELECT COALESCE(SUM(qty), 0) FROM orders WHERE fulfilment = 'paid'")
        self.assertLessEqual(paid, STOCK)
        self.assertEqual(system.number("SELECT amount FROM item WHERE id = 1"), STOCK - paid)
        moved = system.number("SELECT SUM(delta) FROM stock_journal WHERE item_id = 1")
        self.assertEqual(STOCK + moved, STOCK - paid)
        self.assertGreater(system.number(
            "SELECT COUNT(*) FROM stock_change WHERE reason = 'expired'"), 0)

    def test_with_sessions_and_kills(self):
        self.run_sale(("webapp-2", "broker-1", "backend-1", "webapp-1"), **self.shop_key())

    def test_without(self):
        self.run_sale(())


if __name__ == "__main__":
    unittest.main(verbosity=2)
