#!/usr/bin/python3
"""CURVE on a whole system, every socket on tcp: keys that are known work end to end, nothing else
gets in, at no port."""

import os
import re
import shutil
import socket
import subprocess
import unittest
import urllib.request
from pathlib import Path

import zmq
import zmq.auth
import zmq.utils.monitor

from system import PROJECT, System, SystemTest, eventually

from stampede import Client, NotConnected

# Offset from net.port_base -> (kind of peer, the side whose keys open it)
DOORS = {1: (zmq.DEALER, "client"), 2: (zmq.SUB, "client"), 11: (zmq.PUSH, "node"),
         12: (zmq.PULL, "node"), 13: (zmq.PUSH, "node"), 14: (zmq.SUB, "node"),
         20: (zmq.PUSH, "node"), 21: (zmq.SUB, "node")}
REFUSED_AFTER_MS = 700  # an honest handshake takes about one millisecond,
PATIENCE_MS = 10_000  # but a busy machine may take its time
FAILURES = (zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
            | zmq.EVENT_HANDSHAKE_FAILED_AUTH)

HAS_NODE = shutil.which("node") and (PROJECT / "clients/js/node_modules/zeromq").is_dir()
# Buys once and hears of it in the news.
JAVASCRIPT = """
const [project, endpoint, serverKey, publicKey, secretKey] = process.argv.slice(1);
const { Client } = await import(`${project}/clients/js/stampede/index.js`);
const client = new Client({ endpoint, curve: { serverKey, publicKey, secretKey } });
const lefts = [];
const ann = { item: 1, user: 'ann' };
try {
  console.log((await client.order(ann, { timeoutMs: 5000 })).state);
  for await (const { left } of client.stock(1)) {
    lefts.push(left);
    if (lefts.length === 2) break;
    await client.order(ann);
  }
  console.log(lefts[1] < lefts[0]);
} catch (error) {
  console.log(error.name);
}
client.close();
"""


class Curve(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.system = system = System(STAMPEDE_NET__MODE="tcp")
        cls.addClassCleanup(system.stop)
        keys = {name: cls.mint(name) for name in ("system", "ann", "eve")}
        allowed = system.home / "allowed"
        allowed.write_text(f"# buyers\n{keys['ann'][0].decode()} ann\n", encoding="ascii")
        system.environment |= {"STAMPEDE_CURVE__KEY_FILE": str(system.home / "system.key"),
                               "STAMPEDE_CURVE__ALLOW_FILE": str(allowed)}
        cls.keys, cls.server = keys, keys["system"][0]
        system.start("1:Phone:100000")
        cls.context = zmq.Context()
        cls.addClassCleanup(cls.context.destroy, 0)

    @classmethod
    def mint(cls, name):
        """(public, secret) of a new key file, as `stampede keys new` and pyzmq agree on it."""
        file = cls.system.home / f"{name}.key"
        done = cls.system.stampede("keys", "new", file)
        assert done.returncode == 0, done.stderr
        assert file.stat().st_mode & 0o777 == 0o600
        public, secret = zmq.auth.load_certificate(file)
        assert done.stdout == public.decode() + "\n", done.stdout
        return public, secret

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)

    def handshake(self, offset, own=None, server=None, plain=False, patience=REFUSED_AFTER_MS):
        """Whether the port takes a connection with these keys."""
        peer = self.context.socket(DOORS[offset][0])
        monitor = peer.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | FAILURES)
        try:
            peer.linger = 0
            if own:
                peer.curve_publickey, peer.curve_secretkey = own
                peer.curve_serverkey = server or self.server
            if plain:
                peer.plain_username, peer.plain_password = b"admin", b"admin"
            if DOORS[offset][0] == zmq.SUB:
                peer.subscribe(b"")
            peer.connect(f"tcp://127.0.0.1:{self.system.base + offset}")
            if not monitor.poll(patience):
                return False
            event = zmq.utils.monitor.recv_monitor_message(monitor)["event"]
            return event == zmq.EVENT_HANDSHAKE_SUCCEEDED
        finally:
            peer.disable_monitor()
            monitor.close(0)
            peer.close(0)

    def refused(self):
        return {node["node"]: node["peers_refused"] for node in self.system.status()["nodes"]}

    def test_a_listed_key_buys_asks_and_hears_the_news(self):
        with Client(self.system.zmq, curve=(self.server, *self.keys["ann"])) as ann:
            self.assertTrue(ann.order(1, "ann", timeout=20).confirmed)
            stock = ann.stock(1)
            before = next(stock).left
            self.assertTrue(ann.order(1, "ann", timeout=20).confirmed)
            self.assertLess(next(stock).left, before)

    @unittest.skipUnless(HAS_NODE, "node or clients/js/node_modules is not there")
    def test_the_javascript_client_takes_keys(self):
        def bought(name):
            done = subprocess.run(
                ["node", "--input-type=module", "-e", JAVASCRIPT, PROJECT, self.system.zmq,
                 self.server, *self.keys[name]], capture_output=True, text=True, timeout=60,
                check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return done.stdout.split()
        self.assertEqual(bought("ann"), ["confirmed", "true"])
        self.assertEqual(bought("eve"), ["NotConnected"])

    def test_the_command_line_takes_keys(self):
        buy = ("order", "1", "--user", "ann", "--timeout", "5s")
        self.assertEqual(self.system.stampede(*buy).returncode, 0)
        client = {"STAMPEDE_CURVE__KEY_FILE": str(self.system.home / "ann.key"),
                  "STAMPEDE_CURVE__SERVER_KEY": self.server.decode(),
                  "STAMPEDE_CURVE__ALLOW_FILE": ""}
        self.assertEqual(self.system.stampede(*buy, **client).returncode, 0)
        eve = client | {"STAMPEDE_CURVE__KEY_FILE": str(self.system.home / "eve.key")}
        self.assertEqual(self.system.stampede(*buy, **eve).returncode, 7)
        none = {"STAMPEDE_CURVE__KEY_FILE": "", "STAMPEDE_CURVE__ALLOW_FILE": ""}
        self.assertEqual(self.system.stampede(*buy, **none).returncode, 7)
        done = self.system.stampede("--json", "bench", "--requests", 2000, "--rate", 2000)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_strangers_get_in_nowhere(self):
        self.assertTrue(self.system.status()["nodes"])
        pids, rows, refused = self.system.pids(), self.system.verify()["rows"], self.refused()
        ann, eve, system = (self.keys[name] for name in ("ann", "eve", "system"))
        for offset, (_, side) in DOORS.items():
            with self.subTest(port=offset):
                self.assertFalse(self.handshake(offset), "no key")
                self.assertFalse(self.handshake(offset, plain=True), "a password")
                self.assertFalse(self.handshake(offset, eve), "an unlisted key")
                self.assertFalse(self.handshake(offset, (ann[0], eve[1])), "not ann's secret")
                self.assertFalse(self.handshake(offset, ann, eve[0]), "a wrong server key")
                if side == "client":
                    self.assertTrue(self.handshake(offset, ann, patience=PATIENCE_MS), "ann")
                else:
                    self.assertFalse(self.handshake(offset, ann), "ann, who is no node")
                # Not at the PUSH that feeds the backend, where a second PULL would take orders.
                if offset != 12:
                    self.assertTrue(self.handshake(offset, system, patience=PATIENCE_MS), "own")
        # Each node has counted, and goes on.
        eventually(lambda: all(count > refused[name] for name, count in self.refused().items()
                               if not name.startswith("backend")), 5)
        for name, count in self.refused().items():
            if not name.startswith("backend"):  # it binds nothing
                self.assertGreater(count, refused[name], name)
        self.assertEqual(self.system.pids(), pids)
        self.assertEqual(self.system.verify()["rows"], rows)

    def test_orders_of_strangers_change_nothing(self):
        rows = self.system.verify()["rows"]
        for curve in (None, (self.server, *self.keys["eve"]),
                      (self.keys["eve"][0], *self.keys["ann"])):
            with Client(self.system.zmq, curve=curve) as client:
                with self.assertRaises(NotConnected):
                    client.order(1, "eve", timeout=1)
        self.assertEqual(self.system.verify()["rows"], rows)

    def test_killed_nodes_come_back_with_their_keys(self):
        for name in ("broker-1", "webapp-1", "backend-1"):
            self.system.restart(name)
        with Client(self.system.zmq, curve=(self.server, *self.keys["ann"])) as ann:
            self.assertTrue(ann.order(1, "ann", timeout=20).confirmed)
        self.assertFalse(self.handshake(11))
        self.assertFalse(self.handshake(1))

    def test_the_secret_key_is_in_no_argument_environment_or_log(self):
        secrets = [secret for _, secret in self.keys.values()]
        secrets.append((self.system.run / "db.password").read_bytes().strip())
        self.assertTrue(all(len(secret) > 10 for secret in secrets))
        places = [*(self.system.run / "log").iterdir(), *self.system.run.glob("*.toml"),
                  *self.system.run.glob("*.exit"), *self.system.run.glob("*.lock")]
        for pid in self.system.processes():
            places += [Path(f"/proc/{pid}/{name}") for name in ("cmdline", "environ")]
        self.assertGreater(len(places), 10)
        for place in places:
            held = place.read_bytes()
            for secret in secrets:
                self.assertNotIn(secret, held, place)
        report = subprocess.run(["/usr/bin/curl", "-s", f"{self.system.health}/status"],
                                capture_output=True, check=False).stdout
        self.assertFalse([secret for secret in secrets if secret in report])


def own_address():
    """An IPv4 address of this machine that is not loopback; None: it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))  # sends nothing
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


class Refusals(SystemTest):
    """Starts that must not happen: exit 78 for nodes, 2 for tools, with key and value."""

    def check(self, system, code, *arguments, words, **environment):
        done = system.stampede(*arguments, timeout=30, **environment)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_a_bind_beyond_loopback_needs_keys_and_an_allow_list(self):
        system = self.new_system()
        self.assertEqual(system.stampede("keys", "new", system.home / "k").returncode, 0)
        outside = {"STAMPEDE_NET__BIND": "192.0.2.7"}
        keys = outside | {"STAMPEDE_CURVE__KEY_FILE": str(system.home / "k")}
        for node in "webapp", "broker", "backend", "supervisor":
            self.check(system, 78, node, **outside,
                       words=("net.bind", '"192.0.2.7"', "curve.key_file", "curve.allow_file"))
            self.check(system, 78, node, **keys, words=("net.bind", "curve.allow_file"))
            self.check(system, 78, node, STAMPEDE_WEBAPP__HTTP="192.0.2.7:8080",
                       words=("STAMPEDE_WEBAPP__HTTP", "192.0.2.7:8080", "loopback"))
        self.check(system, 2, "order", "1", "--user", "x", **outside, words=("net.bind",))

    def test_a_start_beyond_loopback_names_where_somebody_listens(self):
        address = own_address()
        if address is None:
            self.skipTest("this machine has no address but loopback")
        system = self.new_system()
        self.assertEqual(system.stampede("keys", "new", system.home / "k").returncode, 0)
        (system.home / "allowed").touch()
        system.environment |= {"STAMPEDE_NET__BIND": address,
                               "STAMPEDE_CURVE__KEY_FILE": str(system.home / "k"),
                               "STAMPEDE_CURVE__ALLOW_FILE": str(system.home / "allowed")}
        done = system.try_start()
        self.assertEqual(done.returncode, 0, done.stderr)
        health = re.search(r"^stampede health +(http:\S+)$", done.stdout, re.MULTILINE)[1]
        with urllib.request.urlopen(health, timeout=10) as reply:
            self.assertEqual(reply.status, 200)
        self.assertRegex(done.stdout, rf"(?m)^stampede zmq +tcp://{address}:")
        self.assertRegex(done.stdout, rf"(?m)^HTTP on loopback only, ZeroMQ on {address} for the ")
        self.assertNotRegex(done.stdout, "(?m)^loopback only")
        # A program in the way of the supervisor's HTTP is found where that listens.
        system.halt()
        port = int(health.rpartition(":")[2].partition("/")[0])
        with socket.create_server(("127.0.0.1", port)):
            refused = system.try_start()
        self.assertEqual(refused.returncode, 6, refused.stdout + refused.stderr)
        self.assertIn(f"port {port} on 127.0.0.1 is taken", refused.stderr)

    def test_a_key_that_others_may_read_is_refused(self):
        system = self.new_system()
        file = system.home / "k"
        self.assertEqual(system.stampede("keys", "new", file).returncode, 0)
        os.chmod(file, 0o640)
        keys = {"STAMPEDE_CURVE__KEY_FILE": str(file)}
        for node in "webapp", "broker", "backend", "supervisor":
            self.check(system, 78, node, **keys, words=("curve.key_file", str(file), "chmod 600"))
        self.check(system, 2, "order", "1", "--user", "x", **keys, words=("curve.key_file",))
        self.check(system, 1, "keys", "new", file, words=("never overwritten",))


if __name__ == "__main__":
    unittest.main(verbosity=2)
