#!/usr/bin/python3
"""/metrics and /v1/history of a real system: what happened is counted once and for all nodes, kills
included; promtool takes the text. What its alerts say of it: alerts_test.py.
"""

import json
import re
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

from system import PROJECT, SystemTest, eventually

sys.path.insert(0, str(PROJECT / "test" / "dashboards"))
from promtool import promtool  # noqa: E402

from stampede import Client  # noqa: E402

SAMPLE = re.compile(r'^(\w+?)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
# Series that are there only once somebody has done something.
LATER = {"stampede_books_violations", "stampede_books_checked_timestamp_seconds"}


def text_of(system, path="/metrics"):
    with urllib.request.urlopen(system.health + path, timeout=10) as answer:
        return answer.read().decode()


def samples(system):
    """{(name, ((label, value), …)): number} of the whole text."""
    found = {}
    for line in text_of(system).splitlines():
        if not line.startswith("#"):
            name, labels, value = SAMPLE.match(line).groups()
            found[name, tuple(LABEL.findall(labels or ""))] = float(value)
    return found


def value(system, name, **labels):
    """The sum of a metric's series that have these labels; None when there is none."""
    found = [number for (of, has), number in samples(system).items()
             if of == name and set(labels.items()) <= set(has)]
    return sum(found) if found else None


def counters(seen):
    return {key: number for key, number in seen.items()
            if re.search(r"_(total|bucket|count|sum)$", key[0])}


class Metrics(SystemTest):
    def becomes(self, system, expected, name, seconds=10, **labels):
        self.assertTrue(
            eventually(lambda: value(system, name, **labels) == expected, seconds, 0.1),
            (name, labels, value(system, name, **labels), expected))

    def reaches(self, system, expected, name, **labels):
        self.assertTrue(
            eventually(lambda: value(system, name, **labels) >= expected, 10, 0.1),
            (name, labels, value(system, name, **labels), expected))

    def no_counter_falls(self, before, after):
        fallen = {key: (number, after.get(key)) for key, number in counters(before).items()
                  if after.get(key, -1) < number}
        self.assertEqual(fallen, {})

    def test_a_sale_with_kills_is_counted_and_no_counter_falls(self):
        system = self.start_system("1:Phone:30", "2:Lamp:1000", nodes="webapp=2,broker=1,backend=1")
        # A rate sees the first of each kind: its series was there before.
        for code in ("confirmed", "sold_out", "overloaded", "internal"):
            self.becomes(system, 0, "stampede_answers_total", node="webapp-2", code=code)
        self.becomes(system, 0, "stampede_broker_refused_total", code="no_backend")
        self.becomes(system, 0, "stampede_orders_total", outcome="limit_reached")
        with Client(system.zmq) as first, Client(system.zmq_2) as second:
            for number in range(40):
                buyer = first if number % 2 else second
                order = lambda: buyer.order(1, f"user-{number}", request_id=f"a-{number}")
                order()
                if number < 5:
                    order()  # known: decides nothing
            self.becomes(system, 30, "stampede_orders_total", outcome="confirmed")
            self.becomes(system, 10, "stampede_orders_total", outcome="sold_out")
            self.becomes(system, 5, "stampede_decisions_total", outcome="replayed")
            self.becomes(system, 45, "stampede_answer_seconds_count")
            self.becomes(system, 1000, "stampede_stock_left")
            self.assertEqual(value(system, "stampede_item_left", item="1"), 0)
            self.assertEqual(value(system, "stampede_item_sold", item="1"), 30)
            self.assertEqual(value(system, "stampede_item_left", item="2"), 1000)
            before = samples(system)
            self.assertEqual(before["stampede_node_up", (("node", "backend-1"),)], 1)

            for node in ("backend-1", "webapp-2", "broker-1"):
                system.restart(node)
                now = samples(system)
                self.no_counter_falls(before, now)
                before = now
            for number in range(20):
                first.order(2, f"user-{number}", request_id=f"b-{number}")
            self.becomes(system, 50, "stampede_orders_total", outcome="confirmed")
            self.becomes(system, 980, "stampede_stock_left")
            self.no_counter_falls(before, samples(system))
        self.history_of_the_sale(system)
        self.assertEqual(value(system, "stampede_node_restarts_total"), 3)
        self.assertEqual(value(system, "stampede_replay_seconds_count"), 2)

        # A new supervisor takes the nodes over: what they counted before is no burst.
        system.restart("supervisor-1")
        self.becomes(system, 1, "stampede_node_up", node="webapp-1")
        self.becomes(system, 980, "stampede_stock_left")
        self.assertEqual(value(system, "stampede_orders_total", outcome="confirmed"), 0)
        self.whole_and_right(system)
        system.verify()
        self.assertEqual(value(system, "stampede_books_violations"), 0)
        self.assertLess(abs(value(system, "stampede_books_checked_timestamp_seconds")
                            - time.time()), 60)

    def test_a_node_that_is_ended_tells_its_last_answers_first(self):
        """Counters are reported once a second; each round ends a node behind its last answer."""
        system = self.start_system("1:Phone:1000")
        with Client(system.zmq) as buyer:
            for sold in range(20, 100, 20):
                for number in range(sold - 20, sold):
                    buyer.order(1, f"user-{number}")
                pid = system.pid("webapp-1")
                self.assertEqual(system.stampede("restart", "webapp-1").returncode, 0)
                system.wait_back("webapp-1", pid)
                # Who was slow to be answered asked twice.
                self.reaches(system, sold, "stampede_answers_total", code="confirmed")
                self.reaches(system, sold, "stampede_answer_seconds_count")
            for _ in range(5):
                buyer.order(1, "last")
        for node in ("backend-1", "broker-1"):
            self.assertEqual(system.stampede("stop", node).returncode, 0)
        self.becomes(system, 85, "stampede_orders_total", outcome="confirmed")
        self.reaches(system, 85, "stampede_broker_forwarded_total")

    def history_of_the_sale(self, system):
        """It has sold 50, refused 10, and three nodes were started again."""
        def told():
            history = json.loads(text_of(system, "/v1/history"))
            sold = 5 * sum(history["sold_per_s"])  # a sample may be a little later than 5 s
            whole = sold > 40 and history["restarts"][-1:] == [3] and history["left"][-1] == 980
            return history if whole else None
        history = eventually(told, 20, 0.2)
        self.assertTrue(history, text_of(system, "/v1/history"))
        lengths = {len(history[name]) for name in ("t", "sold_per_s", "p50_ms", "p99_ms", "left",
                                                   "backlog", "log_bytes", "restarts")}
        lengths |= {len(line) for line in history["refused_per_s"].values()}
        self.assertEqual(len(lengths), 1)
        self.assertEqual(history["every_s"], 5)
        self.assertGreater(5 * sum(history["refused_per_s"]["sold_out"]), 8)
        self.assertTrue(any(history["p99_ms"]))
        self.assertLess(abs(history["t"][-1] - time.time()), 30)
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(system.health + "/metrics", data=b"{}"))
        refused.exception.close()
        self.assertEqual(refused.exception.code, 405)

    def whole_and_right(self, system):
        """All metrics of the table, each with HELP and TYPE; promtool agrees."""
        table = set(re.findall(r'"(stampede_[a-z0-9_]+)"',
                               (PROJECT / "actors/metrics/core/metric_table.h").read_text()))
        types = lambda text: dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
        # Each node says its metrics once a second.
        eventually(lambda: not table - LATER - set(types(text_of(system))), 10, 0.1)
        text = text_of(system)
        typed = types(text)
        self.assertEqual(table - LATER - set(typed), set())
        self.assertEqual(set(typed) - table, set())
        self.assertEqual(set(re.findall(r"^# HELP (\S+) .", text, re.MULTILINE)), set(typed))
        if promtool() is None:
            return
        done = subprocess.run([promtool(), "check", "metrics"], input=text, text=True,
                              capture_output=True, timeout=30, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
