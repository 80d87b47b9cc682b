#!/usr/bin/python3
"""HTTP by the rules (http_rules.py), what pages of other sites may do, and that nobody's requests
keep others waiting: on the webapp's port and on the supervisor's."""

import json
import os
import random
import re
import socket
import subprocess
import threading
import time
import unittest
from pathlib import Path

from system import System, SystemTest, eventually, seed

from http_rules import HOST, LENGTH, RULES
from stampede import Client

ATTACKERS = Path(__file__).resolve().parent / "attackers.py"
MIB = 1 << 20
FORM = "Content-Type: application/x-www-form-urlencoded"
EVIL = "Origin: http://evil.example"
LOOPBACK = "Host: localhost"
# Hostile requests; the long form is 100,000.
HOSTILE = int(os.environ.get("STAMPEDE_HOSTILE_HTTP", "4000"))


def answers(got, headless):
    """[(status, head), …]; `headless`: which of them answer HEAD and have no body."""
    seen = []
    while got:
        head, mark, got = got.partition(b"\r\n\r\n")
        status = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
        if not mark or not status:
            return seen + [(0, (head + mark + got).decode("latin-1"))]
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I)
        has_body = length and len(seen) not in headless and status[1] not in (b"100", b"204")
        got = got[int(length[1]):] if has_body else got
        seen.append((int(status[1]), (head + b"\r\n").decode("latin-1").lower()))
    return seen


def exchange(port, data, wanted, seconds=10.0):
    """What comes until the connection ends, or, once `wanted` answers are there, for a moment."""
    got, until = b"", time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port), 10) as to:
        to.sendall(data)
        while time.monotonic() < until:
            enough = got.count(b"HTTP/1.1 ") >= wanted and got.count(b"\r\n\r\n") >= wanted
            to.settimeout(0.1 if enough else max(0.01, until - time.monotonic()))
            try:
                part = to.recv(65536)
            except TimeoutError:
                break
            except OSError:
                part = b""
            if not part:
                return got, "closed"
            got += part
    return got, "kept"


class HttpRules(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.system = System(
            STAMPEDE_WEBAPP__HOSTS="shop.example",
            STAMPEDE_WEBAPP__ORIGINS="https://shop.example, http://pages.example:8000")
        cls.addClassCleanup(cls.system.stop)
        cls.system.start("1:Phone:10000000")
        cls.seed = seed()
        cls.ports = {"webapp": cls.system.http_port, "supervisor": cls.system.base}

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)
        self.pids = self.system.pids()
        self.addCleanup(lambda: self.assertEqual(self.system.pids(), self.pids))

    def ask(self, port, method, target, *lines, body=b""):
        """(status, head, body)"""
        length = [f"Content-Length: {len(body)}"] if method == "POST" else []
        head = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, *length, "Connection: close"])
        got, _ = exchange(port, head.encode() + b"\r\n\r\n" + body, 1)
        self.assertTrue(got.startswith(b"HTTP/1.1 "), got)
        head, _, rest = got.partition(b"\r\n\r\n")
        return int(got[9:12]), head.decode().lower(), rest

    # --- by the rules -----------------------------------------------------------------------------

    def test_every_rule_holds_on_both_ports(self):
        self.assertGreater(len(RULES), 70)
        for section, what, data, wanted, end in RULES:
            methods = re.findall(rb"(?m)^([A-Za-z]+) \S+ HTTP/1", data)
            headless = {number for number, method in enumerate(methods) if method == b"HEAD"}
            for name, port in self.ports.items():
                with self.subTest(f"{section}: {what}", port=name):
                    got, ended = exchange(port, data, len(wanted))
                    seen = answers(got, headless)
                    statuses = [status for status, _ in seen]
                    self.assertEqual(statuses, [one[0] for one in wanted], got)
                    for (_, head), (_, *texts) in zip(seen, wanted):
                        for text in texts:
                            check = self.assertNotRegex if text[0] == "!" else self.assertRegex
                            check(head, text.lstrip("!").replace("/1.1", r"/1\.1"))
                    self.assertEqual(ended, end, got)

    # --- browsers ---------------------------------------------------------------------------------

    def left(self):
        with Client(self.system.zmq) as client:
            return client.items(item=1)[0].left

    def test_no_page_of_another_site_buys(self):
        order = b'{"item":1,"user":"victim"}'
        with Client(self.system.zmq) as client:
            self.assertTrue(client.order(1, "honest", timeout=20).confirmed)
        before = self.left()
        webapp = self.ports["webapp"]
        foreign = (EVIL, "Origin: null", "Origin: http://localhost:1", "Sec-Fetch-Site: cross-site",
                   "Sec-Fetch-Site: same-site", f"Origin: http://localhost:{webapp}0",
                   "Origin: http://localhost\r\nOrigin: http://evil.example")
        for lines in foreign:
            for target, kind, body in (("/miaosha/order", FORM, b"itemId=1"),
                                       ("/miaosha/order?itemId=1", "Content-Type: text/plain", b""),
                                       ("/v1/orders", "Content-Type: text/plain", order),
                                       ("/v1/orders", FORM, order),
                                       ("/v1/orders", "Content-Type: application/json", order)):
                with self.subTest(lines, target=target, kind=kind):
                    status, head, text = self.ask(webapp, "POST", target, LOOPBACK, kind, lines,
                                                  body=body)
                    self.assertEqual((status, json.loads(text)["code"]), (403, "not_allowed"))
                    self.assertNotIn("access-control", head)
        for host in "evil.example", "localhost.evil.example", "0.0.0.0:8080", "127.0.0.1.evil":
            status, _, text = self.ask(webapp, "POST", "/miaosha/order", f"Host: {host}", FORM,
                                       body=b"itemId=1")
            self.assertEqual((status, json.loads(text)["field"]), (403, "Host"))
        # Its own page may, with the type that no foreign page can send without asking.
        own = f"Host: localhost:{webapp}\r\nOrigin: http://localhost:{webapp}"
        for kind, status in (("application/json", 202), ("text/plain", 415)):
            self.assertEqual(self.ask(webapp, "POST", "/v1/orders", own, f"Content-Type: {kind}",
                                      body=order)[0], status)
        self.assertTrue(eventually(lambda: self.left() == before - 1), self.left())
        self.assertEqual(self.left(), before - 1)

    def test_no_page_of_another_site_reads(self):
        for port, targets in ((self.ports["webapp"], ("/v1/items", "/v1/orders/x", "/version")),
                              (self.ports["supervisor"], ("/status", "/healthz", "/version"))):
            for target in targets:
                for lines in ([LOOPBACK, EVIL], [LOOPBACK, "Sec-Fetch-Site: cross-site"],
                              ["Host: evil.example"], ["Host: evil.example:7100", "Origin: null"]):
                    with self.subTest(lines, target=target):
                        status, head, _ = self.ask(port, "GET", target, *lines)
                        self.assertEqual(status, 403)
                        self.assertNotIn("access-control", head)
                link = self.ask(port, "GET", target, LOOPBACK, "Sec-Fetch-Site: cross-site",
                                "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
                self.assertIn(link[0], (200, 404))

    def test_pages_of_configured_origins_may(self):
        for port in self.ports.values():
            for origin in "https://shop.example", "http://pages.example:8000":
                status, head, _ = self.ask(port, "GET", "/version", "Host: shop.example",
                                           f"Origin: {origin}", "Sec-Fetch-Site: cross-site")
                self.assertEqual(status, 200)
                self.assertIn(f"access-control-allow-origin: {origin}\r\n", head)
                self.assertIn("access-control-allow-credentials: true", head)
                status, head, _ = self.ask(port, "OPTIONS", "/v1/orders", LOOPBACK,
                                           f"Origin: {origin}",
                                           "Access-Control-Request-Method: POST")
                self.assertEqual(status, 204)
                self.assertIn("access-control-allow-methods: ", head)
            self.assertEqual(self.ask(port, "OPTIONS", "/v1/orders", LOOPBACK, EVIL,
                                      "Access-Control-Request-Method: POST")[0], 403)
            self.assertEqual(self.ask(port, "GET", "/version", LOOPBACK,
                                      "Origin: http://pages.example")[0], 403)

    # --- answers to one id ------------------------------------------------------------------------

    def result(self, name):
        return self.ask(self.ports["webapp"], "GET", f"/miaosha/order-result?requestId={name}",
                        LOOPBACK)[2]

    def post(self, **order):
        self.assertEqual(self.ask(self.ports["webapp"], "POST", "/v1/orders", LOOPBACK,
                                  body=json.dumps(order).encode())[0], 202)

    def test_a_refusal_of_another_request_replaces_no_answer(self):
        """Confirmed over HTTP or over ZeroMQ, before or after the request that is refused."""
        for door in "http", "zmq":
            for other in {"item": 1, "qty": 2}, {"item": 999}, {"item": 1, "qty": 900}:
                for first in "answer", "refusal":
                    name = f"id-{random.getrandbits(60)}"

                    def buy():
                        if door == "http":
                            return self.post(id=name, item=1, user="ann")
                        with Client(self.system.zmq) as client:
                            return client.order(1, "ann", request_id=name, timeout=20)
                    with self.subTest(door=door, other=other, first=first):
                        steps = [buy, lambda: self.post(id=name, user="ann", **other)]
                        if first == "refusal" and other == {"item": 1, "qty": 2}:
                            continue  # that one would be the answer
                        for step in steps if first == "answer" else reversed(steps):
                            step()
                            time.sleep(0.1)
                        self.assertTrue(eventually(lambda: self.result(name)))
                        self.assertIs(json.loads(self.result(name))["success"], True)

    # --- hostile requests -------------------------------------------------------------------------

    def test_connections_without_end_keep_nobody_out(self):
        """More idle and half-sent connections than are let in; each newcomer is served at once."""
        kept, longest = [], 0.0
        for name, port in self.ports.items():
            before = self.system.memory(f"{name}-1")
            for number in range(300):
                kept.append(socket.create_connection(("127.0.0.1", port), 10))
                kept[-1].sendall((b"", b"GET / HT", b"GET / HTTP/1.1\r\n" + HOST)[number % 3])
                if number % 50 == 0:
                    begin = time.monotonic()
                    self.assertEqual(self.ask(port, "GET", "/version", LOOPBACK)[0], 200)
                    longest = max(longest, time.monotonic() - begin)
            self.assertLess(self.system.memory(f"{name}-1") - before, 16 * MIB)
        for connection in kept:
            connection.close()
        self.assertLess(longest, 1)

    def test_large_answers_that_nobody_reads_are_bounded(self):
        for item in range(2000, 2064):
            done = self.system.stampede("item", "add", item, "--name", "n" * 500, "--stock", 1)
            self.assertEqual(done.returncode, 0, done.stderr)
        question = b"GET /v1/items HTTP/1.1\r\n" + HOST + b"\r\n"
        before, deaf = self.system.memory("webapp-1"), []
        for number in range(1500):  # pages of 36 KB; the kernel's own buffers hold a part of it
            deaf.append(socket.socket())
            deaf[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf[-1].connect(("127.0.0.1", self.ports["webapp"]))
            deaf[-1].sendall(question * 50)
            if number % 250 == 0:
                self.assertEqual(self.ask(self.ports["webapp"], "GET", "/version", LOOPBACK)[0],
                                 200)
        grown = self.system.memory("webapp-1") - before
        for connection in deaf:
            connection.close()
        print(f"\n1,500 deaf connections: {grown / MIB:.1f} MiB", flush=True)
        self.assertLess(grown, 64 * MIB)

    def test_large_bodies_that_do_not_end_are_bounded(self):
        """Arrays may be large; of many that are half there the first ones are given up."""
        before, slow = self.system.memory("webapp-1"), []
        begun = (b"POST /v1/orders HTTP/1.1\r\n" + HOST + LENGTH + b"65000\r\n\r\n["
                 + b" " * 60_000)
        for _ in range(1500):
            slow.append(socket.create_connection(("127.0.0.1", self.ports["webapp"]), 10))
            slow[-1].sendall(begun)
        self.assertEqual(self.ask(self.ports["webapp"], "GET", "/version", LOOPBACK)[0], 200)
        grown = self.system.memory("webapp-1") - before
        self.assertTrue(slow[0].recv(100).startswith(b"HTTP/1.1 503 "))
        for connection in slow:
            connection.close()
        print(f"\n1,500 half bodies: {grown / MIB:.1f} MiB", flush=True)
        self.assertLess(grown, 32 * MIB)

    def test_hostile_requests_beside_honest_buyers(self):
        """Changed requests on both ports: nobody ends, nobody grows, nobody waits."""
        memory = {name: self.system.memory(name) for name in self.pids}
        rows, stop, waits, faults = self.system.verify()["rows"], threading.Event(), [], []

        def buy(port):
            while not stop.wait(0.005):
                begin = time.monotonic()
                status, _, text = self.ask(
                    port, "POST", "/v1/orders", LOOPBACK, "Prefer: wait=20",
                    f"Idempotency-Key: honest-{random.getrandbits(60)}",
                    body=b'{"item":1,"user":"honest"}')
                waits.append(time.monotonic() - begin)
                if status not in (200, 201):
                    faults.append((status, text))
        buyers = [threading.Thread(target=buy, args=(self.ports["webapp"],)) for _ in range(3)]
        half = str(HOSTILE // 2)
        attackers = [subprocess.Popen(
            ["/usr/bin/python3", str(ATTACKERS), "http", str(port), "-", half, str(self.seed + n)],
            stdout=subprocess.PIPE, text=True) for n, port in enumerate(self.ports.values())]
        self.addCleanup(stop.set)
        for thread in buyers:
            thread.start()
        for attacker in attackers:
            said, _ = attacker.communicate(timeout=3600)
            self.assertEqual((attacker.returncode, said.strip()), (0, half))
        stop.set()
        for thread in buyers:
            thread.join(60)
        self.assertEqual(faults, [])
        waits.sort()
        grown = {name: (self.system.memory(name) - was) // 1024 for name, was in memory.items()}
        print(f"\n{HOSTILE} hostile requests: {len(waits)} honest orders, p99 "
              f"{waits[len(waits) * 99 // 100] * 1000:.0f} ms; growth in KiB: {grown}", flush=True)
        self.assertGreater(len(waits), 20)
        self.assertLess(waits[len(waits) * 99 // 100], 1)
        if "STAMPEDE_REPORTS" not in os.environ:  # a sanitizer keeps freed memory
            self.assertLess(max(grown.values()), 64 * 1024)
        # What a mutation left whole may be an order of the attacker's, never one of another name.
        self.system.verify()
        honest = self.system.sql("SELECT COUNT(*) FROM orders WHERE request_id LIKE 'honest-%'")
        self.assertEqual(int(honest[0][0]), len(waits))
        self.assertGreaterEqual(self.system.verify()["rows"], rows + len(waits))


if __name__ == "__main__":
    unittest.main(verbosity=2)
