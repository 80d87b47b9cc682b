#!/usr/bin/python3
"""kill -9 under load, again and again: nothing lost, doubled or oversold, one answer to one id.

STAMPEDE_KILLS=100 for the long run (default 12), STAMPEDE_TEST_SEED=N to repeat one. The kills come
in rounds of four on one system with two webapps that lives through all of them: in the first round
backend, broker, webapp and backend in turn, then whatever the seed says, sometimes two at once, at
moments the seed says. After each round the load ends, everybody has a final answer and `stampede
verify` is green; at the very end every id of all rounds is asked once more, of either webapp.
"""

import os
import random
import sys
import threading
import time
import unittest

from buyers import Crowd, order
from system import SystemTest, seed

KILLS = int(os.environ.get("STAMPEDE_KILLS") or 12)
ROUND = 4
RATE = 1500  # orders a second
STOCK = 7_000  # units of the item of each round: the sale goes on beyond its end
NODES = ("backend-1", "broker-1", "webapp-1", "webapp-2")
BEGINNING = (("backend-1",), ("broker-1",), ("webapp-1",), ("backend-1",))


class Kills(SystemTest):
    def setUp(self):
        self.seed = seed()
        self.random = random.Random(self.seed)
        self.system = self.start_system(nodes="webapp=2,broker=1,backend=1")
        self.killed = dict.fromkeys(NODES, 0)
        self.pause_max = 0.0

    # --- one round --------------------------------------------------------------------------------

    def orders(self, item, stop):
        """Endless until `stop`: every user comes about twice, quantities from 1 to 3."""
        number = 0
        while not stop.is_set():
            number += 1
            yield order(f"k{self.seed}-{item}-{number}", item, f"u{number // 2}",
                        1 + number * 7919 % 3)

    def kill_some(self, names):
        """All of them at one moment; returns when all are back."""
        begin = time.monotonic()
        for name, pid in [(name, self.system.kill9(name)) for name in names]:
            self.system.wait_back(name, pid, seconds=60)
            self.killed[name] += 1
        self.pause_max = max(self.pause_max, time.monotonic() - begin)

    def plan(self, number, left):
        """The victims of one round: tuples of nodes that die together."""
        if number == 1:
            return BEGINNING[:left]
        victims, count = [], min(ROUND, left)
        while count > 0:
            together = min(count, 1 if self.random.random() < 0.7 else 2)
            victims.append(tuple(self.random.sample(NODES, together)))
            count -= together
        return victims

    def run_round(self, crowd, number, victims):
        item = 100 + number
        done = self.system.stampede("item", "add", item, "--name", f"Round {number}", "--stock",
                                    STOCK, "--limit-per-user", 4)
        self.assertEqual(done.returncode, 0, done.stderr)
        stop, outcome = threading.Event(), []
        load = threading.Thread(target=lambda: outcome.append(
            crowd.run(self.orders(item, stop), rate=RATE, seconds=180)))
        load.start()
        try:
            for names in victims:
                # A pause of the plan, not a wait for something: the kill shall meet any moment.
                time.sleep(self.random.uniform(0.05, 0.9))
                self.kill_some(names)
        finally:
            stop.set()
            load.join(200)
        self.assertEqual(outcome, [True], f"{crowd.open()} orders without a final answer")
        self.assertEqual(crowd.faults, [])
        self.assertEqual(crowd.refused, {})
        self.check_books(crowd, item)

    def check_books(self, crowd, item):
        """Memory, log and database among each other, then the buyers' view against the tables."""
        report = self.system.verify()
        confirmed = crowd.confirmed()
        self.assertEqual((report["confirmed"], report["rows"]), (len(confirmed), len(confirmed)))
        mine = {name: one for name, one in confirmed.items() if one["item"] == item}
        self.assertGreater(len(mine), 0)
        rows = self.system.sql("SELECT request_id, order_id, user_id, qty FROM orders "
                               f"WHERE item_id = {item}")
        told = [[name, one["order_id"], crowd.orders[name]["user"], str(one["qty"])]
                for name, one in mine.items()]
        self.assertEqual(sorted(rows), sorted(told))
        sold = sum(one["qty"] for one in mine.values())
        self.assertLessEqual(sold, STOCK)
        self.assertEqual(self.system.sql(f"SELECT total, amount FROM item WHERE id = {item}"),
                         [[str(STOCK), str(STOCK - sold)]])
        self.assertEqual(self.system.sql("SELECT user_id FROM orders GROUP BY item_id, user_id "
                                         "HAVING SUM(qty) > 4"), [])

    # --- the test ---------------------------------------------------------------------------------

    def test_confirmed_orders_survive_every_kill_exactly_once(self):
        begin, number, done = time.monotonic(), 0, 0
        with Crowd(self.system.zmq, self.system.zmq_2) as crowd:
            while done < KILLS:
                number += 1
                victims = self.plan(number, KILLS - done)
                self.run_round(crowd, number, victims)
                done += sum(map(len, victims))
                self.tell(crowd, done, begin)
            self.assertTrue(crowd.ask_all_again(120), crowd.faults[:3])
            self.assertEqual(crowd.faults, [])
            self.system.verify()
            self.tell(crowd, done, begin)

    def tell(self, crowd, done, begin):
        print(f"  {done} kills {self.killed}, {len(crowd.orders):,} orders, confirmed "
              f"{len(crowd.confirmed()):,}, rejected {dict(crowd.reasons())}, asked again "
              f"{crowd.sent_again:,}, codes {dict(crowd.errors)}, faults {len(crowd.faults)}, "
              f"longest outage {self.pause_max:.1f} s, {time.monotonic() - begin:.0f} s",
              file=sys.stderr, flush=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
