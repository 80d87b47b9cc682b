#!/usr/bin/python3
"""The Python client's spool against a real system: the program killed before every call that can
change anything outside it (files, sockets, pipes), the system away for a while, both at once.
Nothing that was promised is lost, nothing is bought twice, every answer is the one in the books.

STAMPEDE_SPOOL_KILLS=0 kills at every call, otherwise at so many, spread over all; and
STAMPEDE_SPOOL_OUTAGE_S is how long the system is away.
"""

import os
import random
import signal
import struct
import subprocess
import sys
import time
import unittest
from pathlib import Path

from by_hand import must
from system import BINARY, SystemTest, eventually, seed

from spool_buyer import ITEM, PROMO
from stampede import SpooledClient, StampedeError

KILLS = int(os.environ.get("STAMPEDE_SPOOL_KILLS", "8"))
OUTAGE_S = float(os.environ.get("STAMPEDE_SPOOL_OUTAGE_S", "3"))
BUYER = Path(__file__).resolve().parent / "spool_buyer.py"
TRACER = Path(os.environ.get("STAMPEDE_FAULTS") or
              Path(BINARY).resolve().parent.parent / "faults") / "kill_at_syscall"
STOCK = 100_000
ORDERS = 4
KILLED = 128 + signal.SIGKILL


def now_ms():
    return time.time_ns() // 1_000_000


class Spools:
    """Programs with a spool, and what they were told."""

    def __init__(self, system):
        self.system = system
        self.count = 0
        self.ledgers = []

    def begin(self):
        """A new spool and its ledger."""
        self.count += 1
        self.user = f"u{self.count}"
        self.path = self.system.home / f"{self.user}.spool"
        self.ledgers.append(self.system.home / f"{self.user}.ledger")

    def run(self, kill_at, orders=ORDERS, prefix=None, timeout=120):
        """The program once; (how it ended, how many calls it made). kill_at 0: none."""
        count = self.system.home / "count"
        command = [TRACER, str(kill_at), count, sys.executable, "-Es", BUYER, self.path,
                   self.system.zmq, self.ledgers[-1], self.user, str(orders)]
        done = subprocess.run(command + ([prefix] if prefix else []), timeout=timeout,
                              capture_output=True, text=True, check=False)
        if done.returncode not in (0, KILLED) or (kill_at == 0 and done.returncode):
            raise AssertionError(f"exit {done.returncode}: {done.stderr}")
        return done.returncode, struct.unpack("q", count.read_bytes())[0]

    def told(self, ledger):
        """(ids that were promised, id → its answers)"""
        promised, answers = [], {}
        for line in ledger.read_text(encoding="utf-8").splitlines():
            word, name, *answer = line.split()
            if word == "promised":
                promised.append(name)
            else:
                answers.setdefault(name, []).append(tuple(answer))
        return promised, answers


@unittest.skipUnless(TRACER.exists(), f"no {TRACER}: build the target `faults`")
class Spool(SystemTest):
    def setUp(self):
        self.random = random.Random(seed())
        self.system = self.start_system(f"{ITEM}:Phone:{STOCK}")
        must(self.system.stampede("promo", "add", PROMO, "--item", ITEM, "--name", "Half",
                                  "--price-cents", 500, "--starts", "now", "--ends", "+1h"),
             "promo add")
        self.spools = Spools(self.system)

    def judge(self, expired):
        """Every ledger against the table, and the books."""
        told = {}
        for ledger in self.spools.ledgers:
            promised, answers = self.spools.told(ledger)
            self.assertEqual(set(promised) - set(answers), set(), f"lost: {ledger.name}")
            for name, heard in answers.items():
                self.assertEqual(len(set(heard)), 1, f"two answers: {name} {heard}")
                self.assertEqual(heard[0][0], "confirmed", f"{name} {heard}")
                told[name] = heard[0][1]
        self.system.verify()
        stored = self.system.sql("SELECT request_id, order_id FROM orders")
        self.assertEqual(len(stored), len(told))
        self.assertEqual(expired & {name for name, _ in stored}, set())
        self.assertEqual(dict(stored), told)
        in_promo = self.system.number(f"SELECT COUNT(*) FROM orders WHERE promo_id = {PROMO}")
        self.assertTrue(0 < in_promo < len(told), in_promo)
        self.assertEqual(self.system.number(f"SELECT amount FROM item WHERE id = {ITEM}"),
                         STOCK - len(told))
        return len(told)

    def test_killed_at_every_call_around_a_send_and_while_the_system_is_away(self):
        calls = min(self.calls() for _ in range(2))  # one that was slow has asked again
        kills = self.kill_at_calls(calls)
        runs, never_sent = self.kill_in_an_outage(calls)
        orders = self.judge({never_sent, self.order_that_is_heard_too_late()})
        print(f"{calls} calls, {kills} kills, {runs} more in {OUTAGE_S:g} s without the system, "
              f"{orders} orders", file=sys.stderr)

    def kill_at_calls(self, calls):
        begin, step = (self.random.randrange(calls // KILLS), calls // KILLS) if KILLS else (0, 1)
        places = range(begin + 1, calls + 1, step)
        kills = sum(self.kill_and_go_on(place, own_ids) for number, place in enumerate(places)
                    for own_ids in ((True, False) if not KILLS else (number % 2 == 0,)))
        self.assertGreater(kills, 0)
        return kills

    def calls(self):
        """Of a program that nobody kills."""
        self.spools.begin()
        return self.spools.run(0)[1]

    def kill_and_go_on(self, place, own_ids):
        """A program that knows the ids of its orders orders them again; another one takes what it
        finds. True when it was killed: it may make fewer calls than the one before."""
        self.spools.begin()
        prefix = f"{self.spools.user}-" if own_ids else None
        ended, _ = self.spools.run(place, prefix=prefix)
        self.spools.run(0, ORDERS if own_ids else 0, prefix)
        if own_ids:
            _, answers = self.spools.told(self.spools.ledgers[-1])
            self.assertEqual(set(answers), {f"{prefix}{n}" for n in range(ORDERS)})
        return ended == KILLED

    def kill_in_an_outage(self, calls):
        supervisor, *nodes = (self.system.pids()[f"{name}-1"] for name in
                              ("supervisor", "webapp", "backend", "broker"))
        self.system.signal(supervisor, signal.SIGSTOP)
        try:
            for pid in self.random.sample(nodes, self.random.randint(1, 3)):
                self.system.signal(pid, signal.SIGKILL)
            runs = self.order_without_an_answer(calls)
            self.system.signal(nodes[0], signal.SIGKILL)  # the webapp, if it is still there
            expired = self.order_that_expires()
        finally:
            self.system.signal(supervisor, signal.SIGCONT)
        self.spools.run(0, 0, timeout=180)
        return runs, expired

    def order_without_an_answer(self, calls):
        """Programs on one spool, one after the other, each killed somewhere: a system that is away
        lets none of them end."""
        until, runs = time.monotonic() + OUTAGE_S, 0
        self.spools.begin()
        while time.monotonic() < until or runs == 0:
            runs += 1
            ended, _ = self.spools.run(self.random.randint(calls // 4, calls // 2))
            self.assertEqual(ended, KILLED)
        return runs

    def order_that_expires(self):
        """It is told so by the spool itself, whatever the system does."""
        with SpooledClient(self.system.home / "expires.spool", self.system.zmq) as spool:
            order = spool.order(ITEM, "late", valid_until_ms=now_ms() + 200)
            self.assertEqual(self.refused(order), "expired_request")
            return order.id

    def order_that_is_heard_too_late(self):
        """Sent in time, but the system was asleep: it is told that nothing was bought, which is
        so."""
        webapp = self.system.pids()["webapp-1"]
        with SpooledClient(self.system.home / "asleep.spool", self.system.zmq) as spool:
            self.assertEqual(self.refused(spool.order(ITEM + 1, "warm")), "unknown_item")
            self.system.signal(webapp, signal.SIGSTOP)
            try:
                order = spool.order(ITEM, "late", valid_until_ms=now_ms() + 400)
                self.assertTrue(eventually(lambda: now_ms() > order.valid_until_ms))
            finally:
                self.system.signal(webapp, signal.SIGCONT)
            self.assertEqual(self.refused(order), "expired_request")
            return order.id

    def refused(self, order):
        with self.assertRaises(StampedeError) as caught:
            order.result(60)
        return caught.exception.code


if __name__ == "__main__":
    unittest.main(verbosity=2)
