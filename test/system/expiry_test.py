#!/usr/bin/python3
"""Very many unpaid orders end while others order and pay, and the backend is killed: each ends
once, its unit comes back once, and whoever orders meanwhile waits no longer for it.

STAMPEDE_EXPIRIES: unpaid orders (default 20,000; the long form is 1,000,000, which also holds the
latencies of buyers while so many orders end against those while so many are stored).
STAMPEDE_RACES: payments at the moment of their order's end (default 500; the long form is 10,000).
"""

import collections
import os
import random
import threading
import time
import unittest

import msgpack
import zmq

from by_hand import must
from system import SystemTest, eventually, seed

EXPIRIES = int(os.environ.get("STAMPEDE_EXPIRIES", "20000"))
RACES = int(os.environ.get("STAMPEDE_RACES", "500"))
LONG = EXPIRIES >= 1_000_000
HOLD_S = max(5, EXPIRIES // 40_000)
STOCK = 10_000_000
ENDED = "SELECT COUNT(*) FROM orders WHERE fulfilment = 'expired'"
LATE_MS = ("SELECT COALESCE(MAX(TIMESTAMPDIFF(MICROSECOND, pay_by, fulfilled_at)) DIV 1000, 0) "
           "FROM orders WHERE fulfilment = 'expired'")
UNITS = "SELECT COUNT(*), COUNT(DISTINCT order_id), SUM(delta) FROM stock_change"


class Expiry(SystemTest):
    def hold(self, system, seconds):
        must(system.stampede("item", "set", 1, "--hold-s", seconds), "item set")

    def order_unpaid(self, system, orders):
        """So many of item 1 that are to be paid within HOLD_S; when the first was asked for."""
        self.hold(system, HOLD_S)
        begin = time.time()
        report = system.report("bench", "--closed", "--window", 4096, "--requests", orders,
                               "--batch", 16, "--no-drain", timeout=600)
        self.assertEqual((report["confirmed"], report["no_answer"], report["errors"]),
                         (orders, 0, 0), report)
        self.hold(system, 0)
        return begin, time.time()

    def buyers_p99(self, system, seconds):
        """In ms, of orders that need no payment and come by plan."""
        report = system.report("bench", "--rate", 500, "--duration", f"{seconds}s", "--no-drain",
                               timeout=seconds + 120)
        self.assertEqual((report["no_answer"], report["errors"]), (0, 0), report)
        return report["p99_us"] / 1000

    def check_each_ended_once(self, system, orders):
        ended = eventually(lambda: system.number(ENDED) == orders, 60 + orders / 2000, 0.5)
        self.assertTrue(ended, f"{system.number(ENDED)} of {orders} ended")
        system.verify(f"{60 + orders // 2000}s")
        self.assertEqual(system.sql(UNITS), [[str(orders)] * 3])
        sold = system.number("SELECT COUNT(*) FROM orders") - orders
        self.assertEqual(system.number("SELECT amount FROM item WHERE id = 1"), STOCK - sold)

    def test_buyers_beside_expiries(self):
        system = self.start_system(f"1:Phone:{STOCK}", STAMPEDE_BACKEND__HOLD_GRACE_S="0",
                                   STAMPEDE_BACKEND__ORDERS_AHEAD_MAX="2000000")
        self.buyers_p99(system, 2)  # every buffer has had its use
        seconds = 10 if LONG else 4
        alone = self.buyers_p99(system, seconds)
        begin, end = self.order_unpaid(system, EXPIRIES)
        # The database stores them, often on the log's own disk, and nothing ends yet.
        stored = self.buyers_p99(system, seconds)
        time.sleep(max(0.0, begin + HOLD_S - time.time()))
        beside = self.buyers_p99(system, seconds)
        self.check_each_ended_once(system, EXPIRIES)
        late = system.number(LATE_MS) / 1000
        print(f"{EXPIRIES:,} orders made in {end - begin:.1f} s, ended at most {late:.1f} s late; "
              f"p99 of buyers {alone:.2f} ms by themselves, {stored:.2f} ms while the orders were "
              f"stored, {beside:.2f} ms while they ended", flush=True)
        if LONG:
            self.assertLess(beside, 2 * stored)

    def test_killed_in_the_middle(self):
        rng = random.Random(seed())
        system = self.start_system(f"1:Phone:{STOCK}", STAMPEDE_BACKEND__HOLD_GRACE_S="0",
                                   STAMPEDE_BACKEND__ORDERS_AHEAD_MAX="2000000")
        begin, _ = self.order_unpaid(system, EXPIRIES)
        time.sleep(max(0.0, begin + HOLD_S - time.time()))
        for _ in range(3):
            time.sleep(rng.random() * HOLD_S / 10)
            system.wait_back("backend-1", system.kill9("backend-1"), 60)
        self.check_each_ended_once(system, EXPIRIES)


class Payers:
    """Pay each order at about the moment at which it ends, and ask again until they know."""

    def __init__(self, endpoint, rng):
        self.endpoint, self.rng = endpoint, rng
        self.told, self.faults = {}, []

    def run(self, number, orders, pay_by):
        try:
            with zmq.Context.instance().socket(zmq.DEALER) as socket:
                socket.setsockopt(zmq.LINGER, 0)
                socket.connect(self.endpoint)
                self.pay(socket, random.Random(self.rng.random() + number), orders, pay_by)
        except Exception as error:  # pylint: disable=broad-except
            self.faults.append(f"payer {number}: {error!r}")

    def pay(self, socket, rng, orders, pay_by):
        """Sends each at its moment, all again each second while an answer is missing."""
        due = sorted((pay_by[name] / 1000 + rng.uniform(-0.03, 0.06), name) for name in orders)
        missing = set(orders)
        until = time.time() + 120
        while missing and time.time() < until:
            while due and due[0][0] <= time.time():
                at, name = due.pop(0)
                self.send(socket, name)
                due.append((max(at, time.time()) + 1.0, name))
            due = [(at, name) for at, name in due if name in missing]
            self.hear(socket, missing, due[0][0] - time.time() if due else 0.0)
        if missing:
            raise AssertionError(f"{len(missing)} payments without an answer")

    def send(self, socket, name):
        socket.send(msgpack.packb({"op": "pay", "id": "p-" + name, "order": name,
                                   "amount_cents": 500}))

    def hear(self, socket, missing, seconds):
        wait = max(0, min(200, int(seconds * 1000)))
        while socket.poll(wait):
            answer = msgpack.unpackb(socket.recv())
            if "fulfilment" in answer:
                self.told[answer["order"]] = answer["fulfilment"]
                missing.discard(answer["order"])
            elif not answer.get("retry") and answer.get("code") != "deadline_passed":
                raise AssertionError(f"{answer}")
            wait = 0


class Races(SystemTest):
    """Payment and end of one order at the same instant."""

    HOLD_S = 4

    def setUp(self):
        self.system = self.start_system(f"1:Phone:{RACES}", STAMPEDE_BACKEND__HOLD_GRACE_S="0")
        must(self.system.stampede("item", "set", 1, "--price-cents", 500, "--hold-s", self.HOLD_S),
             "item set")

    def orders(self):
        """RACES orders over about two seconds, as {request id: pay_by in ms}."""
        pay_by = {}
        with zmq.Context.instance().socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(self.system.zmq)
            for number in range(RACES):
                socket.send(msgpack.packb({"op": "order", "id": f"o{number}", "item": 1,
                                           "user": f"u{number}"}))
                time.sleep(2.0 / RACES)
            while len(pay_by) < RACES and socket.poll(5000):
                answer = msgpack.unpackb(socket.recv())
                self.assertEqual(answer.get("state"), "confirmed", answer)
                pay_by[answer["id"]] = answer["pay_by"]
        self.assertEqual(len(pay_by), RACES)
        return pay_by

    def test_never_both(self):
        rng = random.Random(seed())
        pay_by = self.orders()
        names = sorted(pay_by)
        payers = Payers(self.system.zmq, rng)
        threads = [threading.Thread(target=payers.run, args=(n, names[n::4], pay_by))
                   for n in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            at = rng.uniform(min(pay_by.values()), max(pay_by.values())) / 1000
            time.sleep(max(0.0, at - time.time()))
            self.system.wait_back("backend-1", self.system.kill9("backend-1"), 60)
        for thread in threads:
            thread.join()
        self.assertEqual(payers.faults, [])
        self.system.verify()
        self.judge(payers.told)

    def judge(self, told):
        rows = self.system.sql(
            "SELECT o.request_id, o.fulfilment, (SELECT GROUP_CONCAT(s.reason ORDER BY s.lsn) "
            "FROM stock_change s WHERE s.order_id = o.order_id) FROM orders o")
        stored = {name: (fulfilment, moves.replace("NULL", "")) for name, fulfilment, moves in rows}
        self.assertEqual({name: kind for name, (kind, _) in stored.items()}, told)
        # Paid in time, or ended and then paid late: nobody else took its unit meanwhile.
        count = collections.Counter(stored.values())
        self.assertEqual(count.keys(), {("paid", ""), ("paid", "expired,late_payment")}, "no race")
        self.assertEqual(self.system.number("SELECT amount FROM item WHERE id = 1"), 0)
        print(dict(count), flush=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
