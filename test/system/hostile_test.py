#!/usr/bin/python3
"""Bad input on a live system: the codes of the contract, the same processes, bounded memory, and
honest clients served meanwhile. And the README's ten-line client."""

import json
import random
import re
import socket
import subprocess
import time
import unittest

import msgpack
import zmq

from system import PROJECT, System, SystemTest, eventually, seed

from stampede import Client

VECTORS = json.loads((PROJECT / "test" / "vectors" / "sf1.json").read_text())["vectors"]
MIB = 1 << 20


class Hostile(SystemTest):
    """One system for all: whatever is done to it, afterwards it must serve as before."""

    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.addClassCleanup(cls.system.stop)
        cls.system.start("1:Phone:1000000")
        cls.context = zmq.Context()
        cls.addClassCleanup(cls.context.destroy, 0)

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)
        self.pids = self.system.pids()
        self.memory = {name: self.system.memory(name) for name in self.pids}
        self.addCleanup(self.check_nothing_happened)

    def check_nothing_happened(self):
        """The same processes, no fat, a customer served over both doors, the books in order."""
        with Client(self.system.zmq) as client:
            self.assertTrue(client.order(1, "honest", timeout=20).confirmed)
        with socket.create_connection(("127.0.0.1", self.system.http_port), 10) as browser:
            browser.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.assertIn(b"200", browser.recv(100))
        self.assertEqual(self.system.pids(), self.pids)
        for name, before in self.memory.items():
            self.assertLess(self.system.memory(name) - before, 200 * MIB, f"{name} became fat")
        self.system.verify()

    def dealer(self, kind=zmq.DEALER, receive_max=1000):
        made = self.context.socket(kind)
        made.linger = 0
        made.rcvhwm = receive_max
        made.connect(self.system.zmq)
        self.addCleanup(made.close, 0)
        return made

    def answer(self, dealer, seconds=10):
        self.assertTrue(dealer.poll(seconds * 1000), "no answer")
        return msgpack.unpackb(dealer.recv_multipart()[-1])

    # --- ZeroMQ -----------------------------------------------------------------------------------

    def test_every_refused_vector_gets_its_code(self):
        dealer, refused = self.dealer(), 0
        for vector in VECTORS:
            expect = vector.get("expect")
            if vector["kind"] not in ("request", "batch") or "code" not in expect:
                continue
            with self.subTest(vector["name"]):
                dealer.send(bytes.fromhex(vector["hex"]))
                answer = self.answer(dealer)
                for member, value in expect.items():
                    self.assertEqual(answer.get(member), value, answer)
                self.assertEqual((answer["retry"], "state" in answer), (False, False))
                self.assertEqual("id" in answer, "id" in expect)
                refused += 1
        self.assertGreater(refused, 30)

    def test_sizes(self):
        dealer = self.dealer()
        big = {"op": "ping", "id": "big", "x": ""}
        big["x"] = "x" * (64 * 1024 - len(msgpack.packb(big)) - 2)
        self.assertEqual(len(msgpack.packb(big)), 64 * 1024)
        dealer.send(msgpack.packb(big))
        self.assertEqual(self.answer(dealer)["id"], "big")
        big["x"] += "x"
        dealer.send(msgpack.packb(big))
        self.assertEqual(self.answer(dealer)["code"], "too_large")
        # Above 1 MiB the connection is cut: no answer, and the next request works on a new one.
        dealer.send(b"\x81" + b"x" * (2 * MIB))
        self.assertFalse(dealer.poll(300))
        eventually(lambda: (dealer.send(msgpack.packb({"op": "ping"})), dealer.poll(500))[1])
        self.assertEqual(self.answer(dealer)["state"], "ready")

    def test_frames(self):
        request = self.dealer(zmq.REQ)
        request.send(msgpack.packb({"op": "ping", "id": "p"}))
        self.assertEqual(self.answer(request), {"state": "ready", "proto": 1, "id": "p"})
        dealer = self.dealer()
        ping = msgpack.packb({"op": "ping"})
        dealer.send_multipart([b"", ping])
        self.assertTrue(dealer.poll(10_000))
        self.assertEqual(dealer.recv_multipart()[0], b"")
        for frames in ([ping, ping], [b"", ping, ping], [b"", b""], [b"", b"", ping],
                       [b"x"] * 50):
            with self.subTest(frames):
                dealer.send_multipart(frames)
                self.assertEqual(self.answer(dealer)["code"], "bad_protocol")

    def test_every_option_of_a_client_works_or_is_refused(self):
        ping = msgpack.packb({"op": "ping", "id": "p"})
        for kind, options in ((zmq.REQ, {zmq.REQ_CORRELATE: 1, zmq.REQ_RELAXED: 1}),
                              (zmq.REQ, {zmq.PROBE_ROUTER: 1}), (zmq.DEALER, {zmq.CONFLATE: 1}),
                              (zmq.DEALER, {zmq.IDENTITY: b"same"}),
                              (zmq.DEALER, {zmq.IDENTITY: b"same"}),
                              (zmq.DEALER, {zmq.HEARTBEAT_IVL: 100, zmq.HEARTBEAT_TTL: 500})):
            with self.subTest(options):
                client = self.context.socket(kind)
                self.addCleanup(client.close, 0)
                for option, value in options.items():
                    client.setsockopt(option, value)
                client.connect(self.system.zmq)
                client.send(ping)
                answer = self.answer(client)
                if zmq.PROBE_ROUTER in options and "code" in answer:
                    self.assertEqual(answer["code"], "bad_protocol")  # of the probe
                else:
                    self.assertEqual((answer["state"], answer["id"]), ("ready", "p"))

    def raw_peer(self, ready=b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER"):
        peer = socket.create_connection(("127.0.0.1", int(self.system.zmq.rsplit(":", 1)[1])), 10)
        self.addCleanup(peer.close)
        peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32) +
                     bytes([4, len(ready)]) + ready)
        return peer

    def test_more_requests_than_can_be_taken_are_not_read(self):
        """Whole messages, faster than they are decided."""
        order = {"op": "order", "item": 1, "user": "u", "qty": 1}
        body = msgpack.packb([order | {"id": f"f{n}"} for n in range(1000)])
        flood = b"\2" + len(body).to_bytes(8, "big") + body
        peer = self.raw_peer()
        peer.setblocking(False)
        sent, most, until = 0, 0, time.monotonic() + 3
        while time.monotonic() < until:
            for act in (lambda: peer.recv(1 << 20), lambda at=sent: peer.send(flood[at:])):
                try:
                    done = act()
                except BlockingIOError:
                    continue
                except OSError:  # cut, for answers that it does not read as fast
                    peer, done = self.raw_peer(), b""
                    peer.setblocking(False)
                    sent = 0
                if isinstance(done, int):
                    sent = (sent + done) % len(flood)
            most = max(most, self.system.memory("webapp-1") - self.memory["webapp-1"])
        self.assertLess(most, 100 * MIB)

    def test_hostile_connections_that_come_and_go_cost_nothing(self):
        kinds = (b"\4\5\4PING", b"\4\7\4PING\xff\xff" * 40, b"\4\0", b"\1\0" * 4000,
                 b"\3\0\0\0\0\0\x10\0\0" + bytes(70_000), b"\4\x0b\x09SUBSCRIBEa",
                 b"\4\x0a\5ERROR\3400", b"\2" + b"\x7f" * 8, b"\0\3abc")
        for number in range(600):
            try:
                self.raw_peer().sendall(kinds[number % len(kinds)])
            except OSError:
                pass
        with Client(self.system.zmq) as honest:
            began = time.monotonic()
            self.assertTrue(honest.order(1, "honest", timeout=20).confirmed)
            self.assertLess(time.monotonic() - began, 5)

    def test_a_request_cut_anywhere_is_refused(self):
        dealer = self.dealer()
        whole = msgpack.packb({"op": "order", "id": "cut", "item": 1, "user": "ann", "qty": 2})
        for length in range(len(whole)):
            dealer.send(whole[:length])
            self.assertEqual(self.answer(dealer)["code"], "bad_protocol", length)
        dealer.send(msgpack.packb({"op": "get", "id": "cut"}))
        self.assertEqual(self.answer(dealer)["code"], "unknown_request")

    def test_over_the_items_limit_and_unknown_item_decide_nothing(self):
        dealer = self.dealer()
        for order, code, field in (({"item": 1, "qty": 6}, "bad_request", "qty"),
                                   ({"item": 404}, "unknown_item", "item")):
            dealer.send(msgpack.packb({"op": "order", "id": "free", "user": "ann", **order}))
            answer = self.answer(dealer)
            self.assertEqual((answer["code"], answer.get("field"), answer["id"]),
                             (code, field, "free"))
        dealer.send(msgpack.packb({"op": "order", "id": "free", "item": 1, "user": "bob"}))
        self.assertEqual(self.answer(dealer)["state"], "confirmed")

    def test_random_frames_kill_nobody_and_hinder_nobody(self):
        rng = random.Random(seed())
        attackers = [self.dealer() for _ in range(3)]
        with Client(self.system.zmq) as honest:
            for _ in range(60):
                for attacker in attackers:
                    for _ in range(100):
                        attacker.send(self.nonsense(rng))
                    while attacker.poll(0):
                        attacker.recv_multipart()
                self.assertTrue(honest.order(1, "honest", timeout=20).confirmed)

    @staticmethod
    def nonsense(rng):
        """Bytes, or an order or a batch with some of its bytes changed, taken out or put in."""
        if rng.random() < 0.2:
            return rng.randbytes(rng.randrange(200))
        order = {"op": rng.choice(["order", "get", "items", "ping"]), "id": f"x{rng.random()}"[:9],
                 "item": rng.choice([1, 0, 2**63, "1", None, -1, [1]]), "user": rng.choice(
                     ["ann", "", "\0", "é" * 40, 5, {}]), "qty": rng.choice([1, 0, 5, 2**40, "1"])}
        frame = bytearray(msgpack.packb([order] * 3 if rng.random() < 0.4 else order))
        for _ in range(rng.randrange(4)):
            at = rng.randrange(len(frame))
            frame[at:at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        return bytes(frame)

    def test_a_client_that_never_reads_its_answers_costs_bounded_memory(self):
        # A page of about 32 KB, 20,000 times: three times what the memory may grow by.
        for item in range(1000, 1064):
            done = self.system.stampede("item", "add", item, "--name", "n" * 500, "--stock", 1)
            self.assertEqual(done.returncode, 0, done.stderr)
        deaf, sent = self.dealer(receive_max=1), 0
        page = msgpack.packb({"op": "items", "id": "x" * 64, "limit": 500})
        until = time.monotonic() + 20
        while sent < 20_000 and time.monotonic() < until:
            try:
                deaf.send(page, zmq.DONTWAIT)
                sent += 1
            except zmq.Again:
                deaf.poll(5, zmq.POLLOUT)
        self.assertGreater(sent, 1_000)

    def test_nonsense_before_the_zeromq_greeting_is_thrown_out(self):
        rng = random.Random(seed())
        greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
        old = b"\xff" + bytes(8) + b"\x7f\x01\x05"  # ZMTP 2.0
        for start in (b"GET / HTTP/1.1\r\n\r\n", greeting[:10], greeting, b"\xff" * 64, b"", old,
                      old + b"\0\0", old + b"\0\5\0abcd"):
            for _ in range(10):
                with socket.create_connection(("127.0.0.1", self.system.base + 1), 10) as raw:
                    raw.sendall(start + rng.randbytes(500))

    def test_nonsense_between_the_nodes_is_refused(self):
        """The inner sockets are a private directory's; even so a bad frame ends no node."""
        rng = random.Random(seed())
        paths = [path for path in (self.system.run / "sock").iterdir()]
        self.assertGreaterEqual(len(paths), 4, paths)
        for path in paths:
            # SUB is refused by a PULL peer and PUSH by an XPUB: each socket takes what it takes.
            for kind in zmq.PUSH, zmq.SUB:
                pushed = self.context.socket(kind)
                pushed.linger = 0
                pushed.sndtimeo = 300
                pushed.connect(f"ipc://{path}")
                try:
                    if kind == zmq.SUB:
                        pushed.subscribe(rng.randbytes(40))
                        continue
                    for _ in range(100):
                        pushed.send_multipart([rng.randbytes(rng.randrange(60))
                                               for _ in range(rng.randrange(1, 4))])
                except zmq.Again:
                    pass
                finally:
                    pushed.close(200)

    # --- HTTP -------------------------------------------------------------------------------------

    def raw(self, data, seconds=5):
        """What a fresh connection answers until it is closed or silent."""
        got = b""
        with socket.create_connection(("127.0.0.1", self.system.http_port), 10) as connection:
            connection.settimeout(seconds)
            try:
                connection.sendall(data)
                while part := connection.recv(65536):
                    got += part
            except OSError:
                pass
        return got

    def test_bad_http_is_refused(self):
        post = "POST /v1/orders HTTP/1.1\r\nHost: localhost\r\n"
        for text, codes in (
                ("NONSENSE\r\n\r\n", "400"), ("GET\r\n\r\n", "400"),
                ("GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n", "400|505"),
                ("GET /healthz HTTP/1.1\r\n\r\n", "400"),
                ("GET healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"),
                ("GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n", "400"),
                ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: \0\r\n\r\n", "400"),
                ("GET /healthz HTTP/1.1\nHost: x\n\n", "400|408|"),
                (post + "Content-Length: -1\r\n\r\n", "400"),
                (post + "Content-Length: x\r\n\r\n", "400"),
                (post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", "400"),
                (post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", "400"),
                (post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400|501"),
                (post + "Content-Length: 65537\r\n\r\n", "413"),
                (post.replace("/v1/orders", "/v1/orders/a/payments")
                 + "Content-Length: 5000\r\n\r\n", "413"),
                (post + "Content-Length: 99999999999999999999\r\n\r\n", "400|413"),
                ("GET /" + "a" * 3000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n", "413|414|431"),
                ("GET / HTTP/1.1\r\nHost: localhost\r\nA: " + "a" * 9000 + "\r\n\r\n", "413|431"),
                ("a" * 100_000, "400|413|414|431")):
            with self.subTest(text[:60]):
                got = self.raw(text.encode("latin-1"), 7)
                status = re.match(rb"HTTP/1\.[01] (\d+)", got)
                self.assertRegex(status[1].decode() if status else "", f"^({codes})$", got[:200])
                if status:
                    self.assertIn(b'"code"', got)

    def test_random_bytes_over_http(self):
        rng = random.Random(seed())
        request = b"POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 23\r\n" \
                  b'\r\n{"item":1,"user":"ann"}'
        for _ in range(300):
            data = bytearray(request)
            for _ in range(rng.randrange(1, 5)):
                at = rng.randrange(len(data))
                data[at:at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
            got = self.raw(bytes(data[:rng.randrange(len(data) + 1)]), 0.02)
            self.assertTrue(not got or got.startswith(b"HTTP/1."), got[:60])

    def test_200_connections_that_never_finish_are_ended_and_block_nobody(self):
        slow = []
        try:
            for number in range(200):
                slow.append(socket.create_connection(("127.0.0.1", self.system.http_port), 10))
                slow[-1].sendall(b"GET /healthz HTT" if number % 2 else b"")
            begin = time.monotonic()
            served = self.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                              b"Connection: close\r\n\r\n")
            self.assertIn(b" 200 ", served)
            self.assertLess(time.monotonic() - begin, 3)
            for connection in slow:
                connection.settimeout(20)
                while connection.recv(1000):
                    pass
            self.assertLess(time.monotonic() - begin, 18, "header 5 s, idle 10 s")
        finally:
            for connection in slow:
                connection.close()


class TenLines(SystemTest):
    """The smallest clients that the documents show, as a reader would run them."""

    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.addClassCleanup(cls.system.stop)
        cls.system.start("1:Phone:100")

    def check_it_buys_one(self, *command):
        before = self.system.verify()["rows"]
        done = subprocess.run(["/usr/bin/python3", *map(str, command)], capture_output=True,
                              text=True, timeout=60, check=False, cwd="/tmp")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("confirmed", done.stdout)
        self.assertEqual(self.system.verify()["rows"], before + 1)

    def test_the_ten_line_client_of_the_readme_buys(self):
        text = (PROJECT / "README.md").read_text(encoding="utf-8")
        blocks = re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)
        blocks = [block for block in blocks if "# ten-line client" in block]
        self.assertEqual(len(blocks), 1, "blocks of the README with # ten-line client")
        lines = [line for line in blocks[0].splitlines()
                 if line.strip() and not line.lstrip().startswith("#")]
        self.assertLessEqual(len(lines), 10)
        code = blocks[0].replace("tcp://127.0.0.1:7101", self.system.zmq)
        self.assertIn(self.system.zmq, code)
        self.check_it_buys_one("-c", code)

    def test_order_py_buys(self):
        self.check_it_buys_one(PROJECT / "clients" / "python" / "order.py", "ann", self.system.zmq)


if __name__ == "__main__":
    unittest.main(verbosity=2)
