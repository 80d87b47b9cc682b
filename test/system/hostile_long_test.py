#!/usr/bin/python3
"""Hostile load on a live system, every socket on tcp and without keys, while honest clients buy:
nobody dies, the books hold the honest orders and nothing else, memory stays where it was, and every
honest order is answered.

STAMPEDE_HOSTILE_FRAMES: malformed frames in all (default 10,000; the long form is 1,000,000).
STAMPEDE_HOSTILE_CONNECTIONS: of strangers (default 10,000; the long form is 1,000,000).
Attackers are processes of their own (attackers.py); HTTP attacks are here.
"""

import os
import random
import re
import resource
import socket
import subprocess
import threading
import time
import unittest
import urllib.request
from pathlib import Path

from system import System, SystemTest, eventually, seed

from smuggling import CASES, SMUGGLED
from stampede import Client

FRAMES = int(os.environ.get("STAMPEDE_HOSTILE_FRAMES", "10000"))
CONNECTIONS = int(os.environ.get("STAMPEDE_HOSTILE_CONNECTIONS", "10000"))
ATTACKERS = Path(__file__).resolve().parent / "attackers.py"
MIB = 1 << 20
GROWTH_MAX = 16 * MIB
SLOW = 1000  # HTTP connections at once


class Buyers:
    """Four honest customers, each one order after the other: two over ZeroMQ that stay, one that
    comes anew each time, one over HTTP."""

    def __init__(self, system):
        self.system, self.confirmed, self.faults, self.waits = system, [0, 0, 0, 0], [], []
        self._stop = threading.Event()
        buyers = self._zmq, self._zmq, self._newcomer, self._http
        self._threads = [threading.Thread(target=self._run, args=(number, buy))
                         for number, buy in enumerate(buyers)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, number, buy):
        try:
            buy(number)
        except Exception as error:  # pylint: disable=broad-except
            self.faults.append(f"buyer {number}: {error!r}")

    def p99(self):
        """Seconds that the slowest but one of a hundred orders took."""
        return sorted(self.waits)[len(self.waits) * 99 // 100]

    def _order(self, number, client, begin):
        if client.order(7777, "honest", timeout=30).confirmed:
            self.confirmed[number] += 1
        self.waits.append(time.monotonic() - begin)

    def _zmq(self, number):
        with Client(self.system.zmq) as client:
            while not self._stop.wait(0.01):
                self._order(number, client, time.monotonic())

    def _newcomer(self, number):
        while not self._stop.wait(0.02):
            begin = time.monotonic()
            with Client(self.system.zmq) as client:
                self._order(number, client, begin)

    def _http(self, number):
        while not self._stop.wait(0.02):
            begin = time.monotonic()
            request = urllib.request.Request(
                f"{self.system.http}/v1/orders", b'{"item":7777,"user":"honest"}',
                {"Prefer": "wait=20", "Idempotency-Key": f"h-{number}-{self.confirmed[number]}-"
                 + os.urandom(6).hex()})
            with urllib.request.urlopen(request, timeout=30) as answer:
                if answer.status in (200, 201):  # 200: the webapp had to ask the backend again
                    self.confirmed[number] += 1
            self.waits.append(time.monotonic() - begin)


class HostileLong(SystemTest):
    @classmethod
    def setUpClass(cls):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 16384), limit))
        cls.seed = seed()
        cls.system = System()
        cls.addClassCleanup(cls.system.stop)
        cls.system.start("7777:Phone:1000000000")
        # Every buffer has had its use before memory is measured.
        with Buyers(cls.system):
            for kind, count in ("clients", 2000), ("nodes", 2000), ("resets", 50):
                cls.attack(kind, count).communicate(timeout=120)

    @classmethod
    def attack(cls, kind, count):
        """Starts an attacker; the caller waits for it."""
        return subprocess.Popen(
            ["/usr/bin/python3", str(ATTACKERS), kind, str(cls.system.base),
             str(cls.system.run / "sock"), str(count), str(cls.seed)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)
        self.pids = self.system.pids()
        self.memory = {name: self.system.memory(name) for name in self.pids}
        self.files = self.descriptors()
        self.rows = self.system.verify()["rows"]

    def descriptors(self):
        return {name: len(os.listdir(f"/proc/{pid}/fd")) for name, pid in self.pids.items()}

    def check_afterwards(self, buyers):
        """The same processes, the honest orders and no other, memory and descriptors as before."""
        self.assertEqual(buyers.faults, [])
        self.assertTrue(all(count > 3 for count in buyers.confirmed), buyers.confirmed)
        self.assertEqual(self.system.pids(), self.pids)
        self.assertEqual(self.system.verify()["rows"], self.rows + sum(buyers.confirmed))
        self.assertEqual(
            self.system.sql("SELECT DISTINCT item_id, user_id, qty FROM orders"),
            [["7777", "honest", "1"]])
        self.assertEqual(self.system.sql("SELECT id, name, total FROM item"),
                         [["7777", "Phone", "1000000000"]])
        dump = self.system.stampede("log", "dump", timeout=300).stdout
        self.assertNotIn("[REJECT]", dump)
        free = eventually(lambda: all(now <= self.files[name] + 2
                                      for name, now in self.descriptors().items()), 30)
        self.assertTrue(free, f"{self.files} -> {self.descriptors()}")
        growth = {name: self.system.memory(name) - before for name, before in self.memory.items()}
        print(f"growth in KiB: { {name: grown // 1024 for name, grown in growth.items()} }; "
              f"honest orders {sum(buyers.confirmed)}, p99 {buyers.p99() * 1000:.0f} ms",
              flush=True)
        if "STAMPEDE_REPORTS" in os.environ:
            return  # a sanitizer keeps freed memory
        for name, grown in growth.items():
            self.assertLess(grown, GROWTH_MAX, name)

    def run_attack(self, kind, count):
        with Buyers(self.system) as buyers:
            time.sleep(0.5)
            process = self.attack(kind, count)
            sent, errors = process.communicate(timeout=3600)
            self.assertEqual((process.returncode, sent.strip()), (0, str(count)), errors)
            time.sleep(0.5)
        print(f"\n{kind}: {count} sent", flush=True)
        self.check_afterwards(buyers)
        return buyers

    # --- ZeroMQ -----------------------------------------------------------------------------------

    def test_malformed_frames_of_clients(self):
        self.run_attack("clients", FRAMES // 2)

    def test_malformed_frames_between_nodes(self):
        self.run_attack("nodes", FRAMES * 2 // 5)

    def test_greetings_and_half_handshakes(self):
        self.run_attack("connections", FRAMES // 50)

    def test_connections_of_strangers(self):
        begin = time.monotonic()
        buyers = self.run_attack("strangers", CONNECTIONS)
        print(f"{CONNECTIONS / (time.monotonic() - begin):,.0f} connections a second", flush=True)
        if "STAMPEDE_REPORTS" not in os.environ:
            self.assertLess(buyers.p99(), 1)

    def test_subscriptions_without_end(self):
        self.run_attack("topics", max(300_000, FRAMES // 4))  # fewer would be allowed

    def test_full_queues_and_resets(self):
        self.run_attack("resets", max(100, FRAMES // 5000))

    # --- HTTP -------------------------------------------------------------------------------------

    def connect(self):
        made = socket.create_connection(("127.0.0.1", self.system.http_port), 10)
        self.addCleanup(made.close)
        return made

    def exchange(self, data, seconds=3):
        """What the server answers until it closes or is silent."""
        got = b""
        with socket.create_connection(("127.0.0.1", self.system.http_port), 10) as connection:
            connection.settimeout(seconds)
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65536):
                    got += part
            except OSError:
                pass
        return got

    def test_1000_slow_connections(self):
        """A third never ends its header, a third its body, a third never reads its answer."""
        rng = random.Random(self.seed)
        begins = (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: ",
                  b"POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n{",
                  b"GET /v1/items HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40)
        with Buyers(self.system) as buyers:
            slow = [self.connect() for _ in range(SLOW)]
            for number, connection in enumerate(slow):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                connection.sendall(begins[number % 3])
            until = time.monotonic() + 12  # header and body 5 s, idle 10 s
            while time.monotonic() < until:
                for connection in rng.sample(slow, 50):
                    try:
                        connection.send(b"x", socket.MSG_DONTWAIT)
                    except OSError:
                        pass
                time.sleep(0.1)
        dripping = [one for number, one in enumerate(slow) if number % 3 != 2]
        for connection in dripping:
            connection.settimeout(10)
            try:
                while connection.recv(4096):
                    pass
            except ConnectionError:
                pass  # closed with what was dripped after the answer
        for connection in slow:
            connection.close()
        self.check_afterwards(buyers)

    def test_smuggling(self):
        """No stranger's bytes become a second request: no order of it, no answer to it."""
        self.assertGreaterEqual(len(CASES), 40)
        with Buyers(self.system) as buyers:
            time.sleep(0.3)
            for name, data, statuses in CASES:
                with self.subTest(name):
                    got = re.findall(rb"HTTP/1\.1 (\d+)", self.exchange(data))
                    self.assertEqual([int(code) for code in got], statuses)
        self.assertEqual(self.system.sql(f"SELECT COUNT(*) FROM orders WHERE user_id='{SMUGGLED}'"),
                         [["0"]])
        self.check_afterwards(buyers)

    def test_pipelined_requests_are_answered_in_order(self):
        with Buyers(self.system) as buyers:
            time.sleep(0.3)
            many = b"".join(b"GET /v1/items/%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
                            % (7777 if number % 7 == 0 else 10_000 + number)
                            for number in range(500))
            got = self.exchange(many, 20)
        codes = re.findall(rb"HTTP/1\.1 (\d+)", got)
        self.assertEqual(codes, [b"200" if number % 7 == 0 else b"404" for number in range(500)])
        self.check_afterwards(buyers)

    def test_header_bombs(self):
        line = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
        bombs = {"one huge": line + b"A: " + b"a" * 5_000_000, "many": line + b"A: b\r\n" * 500_000,
                 "names": b"".join((line, *(b"A%d: b\r\n" % n for n in range(100_000)))),
                 "target": b"GET /" + b"a" * 5_000_000, "no line": b"\r\n" * 1_000_000,
                 "colons": line + b":" * 1_000_000, "blanks": line + b"A:" + b" " * 1_000_000}
        with Buyers(self.system) as buyers:
            time.sleep(0.3)
            for name, bomb in bombs.items():
                for _ in range(5):
                    with self.subTest(name):
                        got = re.findall(rb"HTTP/1\.1 (\d+)", self.exchange(bomb))
                        self.assertIn(got, ([], [b"400"], [b"414"], [b"431"]))
        self.check_afterwards(buyers)


if __name__ == "__main__":
    unittest.main(verbosity=2)
