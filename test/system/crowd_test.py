#!/usr/bin/python3
"""Everybody at once: thousands of open requests, and a broker that dies under them."""

import signal
import unittest

from buyers import Crowd, order
from system import SystemTest, eventually

# The backend is stopped (SIGSTOP) while requests pile up; nobody shall take that for a hang.
PATIENT = {"STAMPEDE_SUPERVISOR__MISSED_HEARTBEATS_MAX": 240,
           "STAMPEDE_SUPERVISOR__STALL_MS": 60_000}


class Everybody(SystemTest):
    def pile_up(self, system, crowd, orders):
        """All orders sent and none decided: the backend sleeps. Its process id."""
        crowd.greet()
        backend = system.pid("backend-1")
        system.signal(backend, signal.SIGSTOP)
        self.addCleanup(system.signal, backend, signal.SIGCONT)
        crowd.send(orders)
        counters = lambda: system.node("webapp-1")["counters"]
        eventually(lambda: counters()["waiting"] == len(orders))
        self.assertFalse(crowd.receive(lambda: bool(crowd.answers or crowd.errors), 0.1),
                         f"answers without a backend: {crowd.answers} {crowd.errors}")
        self.assertEqual(counters()["waiting"], len(orders), counters())
        return backend

    def check_table(self, system, crowd):
        rows = system.sql("SELECT request_id, order_id FROM orders")
        told = sorted((name, one["order_id"]) for name, one in crowd.confirmed().items())
        self.assertEqual(sorted(map(tuple, rows)), told)

    def test_10000_concurrent_buyers_get_exactly_the_100_units(self):
        system = self.start_system("1:Phone:100", **PATIENT)
        with Crowd(system.zmq, sockets=8) as crowd:
            backend = self.pile_up(system, crowd, [order(f"b{n}", deadline_ms=60_000)
                                                   for n in range(10_000)])
            system.signal(backend, signal.SIGCONT)
            self.assertTrue(crowd.receive_all(), f"{crowd.open()} without answer {crowd.errors}")
            self.assertEqual(crowd.faults, [])
            confirmed = crowd.confirmed()
            self.assertEqual(len(confirmed), 100)
            self.assertEqual(crowd.reasons(), {"sold_out": 9_900})
            self.assertEqual(sorted(one["left"] for one in confirmed.values()), [*range(100)])
            self.assertEqual(set(crowd.frames.values()), {1})
            report = system.verify()
            self.assertEqual((report["confirmed"], report["rows"]), (100, 100))
            self.check_table(system, crowd)
        self.assertEqual(system.sql("SELECT total, amount FROM item"), [["100", "0"]])

    def test_a_broker_killed_with_thousands_open_leaves_nobody_without_an_answer(self):
        """Nobody asks again here: the webapp alone brings the requests to the new broker."""
        system = self.start_system("1:Phone:3000", **PATIENT)
        with Crowd(system.zmq, sockets=4) as crowd:
            backend = self.pile_up(system, crowd, [order(f"b{n}", deadline_ms=60_000)
                                                   for n in range(5_000)])
            in_flight = lambda: system.node("broker-1")["counters"]["in_flight"]
            self.assertTrue(eventually(lambda: in_flight() > 1_000), f"{in_flight()} in flight")
            broker = system.kill9("broker-1")
            system.signal(backend, signal.SIGCONT)
            system.wait_back("broker-1", broker)
            self.assertTrue(crowd.receive_all(), f"{crowd.open()} without answer {crowd.errors}")
            self.assertEqual(crowd.faults, [])
            self.assertEqual(len(crowd.confirmed()), 3_000)
            self.assertEqual(crowd.reasons(), {"sold_out": 2_000})
            self.assertEqual(set(crowd.frames.values()), {1}, "somebody was answered twice")
            self.assertEqual(system.verify()["rows"], 3_000)
            self.check_table(system, crowd)


if __name__ == "__main__":
    unittest.main(verbosity=2)
