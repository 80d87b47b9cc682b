#!/usr/bin/python3
"""The operator's doors: a command is executed and hears its own answer, whatever dies meanwhile."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import unittest
from pathlib import Path

from by_hand import admin, arm_next_starts, is_alive
from system import BINARY, SystemTest, eventually


class OperatorDoors(SystemTest):
    def replay_slowly(self, system):
        """The backend is killed and replays for some seconds."""
        arm_next_starts(system, "in_replay=slow")
        system.kill9("backend-1")
        self.assertTrue(eventually(lambda: system.node("backend-1")["state"] == "replaying"))

    def next_supervisor(self, system):
        pid = system.kill9("supervisor-1")
        self.assertTrue(eventually(lambda: system.pid("supervisor-1") not in (None, 0, pid)))

    def test_a_command_never_hears_the_answer_to_an_earlier_supervisors(self):
        system = self.start_system("1:Phone:100")
        self.next_supervisor(system)  # from here on commands are numbered from 1
        system.wait_ready()
        for _ in range(30):
            system.stampede("order", 1, "--user", "ann")
        self.replay_slowly(system)
        waiting = system.popen("item", "stock", 1, "+5", "--request-id", "op-a")
        time.sleep(1)  # the backend has it, and replays
        self.assertEqual(system.node("backend-1")["state"], "replaying")
        self.next_supervisor(system)
        waiting.communicate(timeout=60)
        system.wait_ready(60)
        total = self.total(system)
        done = system.stampede("item", "stock", 1, "+1000", "--request-id", "op-b")
        self.assertEqual((done.returncode, self.total(system)), (0, total + 1000), done.stdout)
        again = system.stampede("item", "stock", 1, "+5", "--request-id", "op-a")
        self.assertEqual((again.returncode, self.total(system)), (0, 1105), again.stdout)
        system.verify()

    def test_an_odd_request_is_refused_and_delays_nobody(self):
        system = self.start_system("1:Phone:100")
        put = {"do": "item_put", "request_id": "odd", "item": 2, "name": "Pad", "total": 5}
        change = {"do": "stock_change", "request_id": "odd", "item": 1, "delta": 1}
        odd = [put | {"name": name}
               for name in ("", "a\nb", "a\x1b[2Jb", "\x7f", "\x9b", "x" * 501)]
        odd += [put | {member: value} for member in ("item", "total", "price_cents", "max_qty")
                for value in (2**64 - 5, -2**63, 1e300, "1", [], None)
                if (member, value) not in (("price_cents", None), ("max_qty", None))]
        odd += [change | {"delta": value} for value in (2**64 - 5, 1.5, "1", None, 10**13)]
        odd += [change | {"request_id": value} for value in ("", "a b", "x" * 65, 7, None)]
        odd += [{"do": "items", "from": "x"}, {"do": "items", "limit": -1}, {"do": 5}, {"do": []},
                {"do": "restart", "node": 5}, {"do": "pause", "node": "backend-1", "for_ms": "x"},
                {"do": "kill", "node": "backend-1", "actor": []}, {"do": "start", "node": "x" * 99}]
        deep = json.loads("[" * 900 + "]" * 900)
        odd += [put | {"sale": "never"}, change | {"bogus": deep}, {"do": "items", "other": 1},
                {"do": "drain", "node": "webapp-1"}, {"do": "undrain", "node": "webapp-1"},
                {"do": "undo", "x": 1}, {"do": "kill", "node": "webapp-1", "for_ms": 1},
                {"do": "failpoints", "node": "backend-1", "arm": "zz=kill", "next_start": True},
                {"do": "failpoints", "node": "backend-1", "arm": "decided=kill@-1"},
                put | {"price_cents": 10**12 + 1}]
        pids = system.pids()
        for request in odd:
            began = time.monotonic()
            answer = admin(system, request)
            self.assertIn("error", answer, request)
            self.assertLess(time.monotonic() - began, 5, request)
        self.assertEqual((system.pids(), self.total(system)), (pids, 100))
        self.assertEqual(len(admin(system, {"do": "items"})["items"]), 1)

    def test_nobody_writes_on_the_operators_terminal(self):
        system = self.start_system("1:Phone:100")
        system.sql("UPDATE item SET name = CONCAT('a', CHAR(27), '[2J', CHAR(0xC29B USING utf8mb4),"
                   " '31m') WHERE id = 1")
        for command in (("verify",), ("item", "list"), ("status",), ("verify", "--json")):
            done = system.stampede(*command)
            for text in (done.stdout, done.stderr):
                self.assertNotRegex(text, "[\x00-\x08\x0b-\x1f\x7f-\x9f]", command)

    def fill(self, system, count):
        """That many items with long names, so that a status is long."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(system.run / "admin.sock"))
            answers = connection.makefile()
            for first in range(0, count, 16):
                puts = [{"do": "item_put", "request_id": f"p-{item}", "item": 1000 + item,
                         "name": "n" * 500, "total": 5} for item in range(first, first + 16)]
                connection.sendall(b"".join(json.dumps(put).encode() + b"\n" for put in puts))
                self.assertTrue(all(json.loads(answers.readline())["ok"] for _ in puts))
        self.assertTrue(eventually(lambda: len(system.status()["items"]) >= count))

    def connect(self, system, words):
        """A connection to admin.sock that has sent as much of `words` as is taken at once."""
        connection = socket.socket(socket.AF_UNIX)
        self.addCleanup(connection.close)
        connection.connect(str(system.run / "admin.sock"))
        connection.setblocking(False)
        try:
            connection.send(words)
        except OSError:
            pass  # closed, or enough
        return connection

    def test_idle_deaf_and_greedy_operators_hold_up_nobody(self):
        system = self.start_system("1:Phone:100")
        self.fill(system, 1000)
        before = system.memory("supervisor-1")
        kept = [self.connect(system, b"") for _ in range(100)]
        kept += [self.connect(system, b'{"do":"status"}\n' * 5000) for _ in range(60)]
        kept += [self.connect(system, b"[" * 100_000) for _ in range(30)]
        pid = system.kill9("webapp-1")
        began = time.monotonic()
        system.wait_back("webapp-1", pid, 10)
        self.assertEqual(system.stampede("status").returncode, 0)
        self.assertLess(time.monotonic() - began, 5)
        kept += [self.connect(system, b'{"do":"status"}\n' * 5000) for _ in range(60)]
        self.assertEqual(admin(system, {"do": "items"})["items"][0]["item"], 1)
        self.assertLess(system.memory("supervisor-1") - before, 64 << 20)

    def test_a_status_after_a_start_tells_of_the_log_and_the_replay(self):
        system = self.start_system("1:Phone:100")
        for number in range(20):
            system.stampede("order", 1, "--user", f"u{number}")
        before = system.status()["log"]
        for _ in range(2):
            system.restart("backend-1")
            status = system.status()
            self.assertGreaterEqual(status["log"]["bytes"], before["bytes"])
            self.assertGreaterEqual(status["log"]["segments"], before["segments"])
            replay = system.node("backend-1")["replay"]
            self.assertEqual(replay["done_bytes"], replay["total_bytes"])
            self.assertGreater(replay["total_bytes"], 0)

    def test_signals_that_mean_no_end_end_nothing(self):
        system = self.start_system("1:Phone:100")
        guard = int((system.run / "guard.pid").read_text(encoding="ascii").split()[0])
        pids = system.pids()
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE,
                       signal.SIGXFSZ, signal.SIGALRM, signal.SIGWINCH, signal.SIGCHLD,
                       signal.SIGCONT, signal.SIGURG):
            for pid in (guard, *pids.values()):
                system.signal(pid, number)
        self.assertEqual(system.stampede("order", 1, "--user", "ann").returncode, 0)
        time.sleep(0.5)
        self.assertEqual(system.pids(), pids)
        self.assertTrue(is_alive(guard))

    @unittest.skipUnless(os.geteuid() == 0, "needs root for a namespace")
    def test_the_first_process_of_a_container_reaps_orphans(self):
        able = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], check=False,
                              capture_output=True)
        if able.returncode != 0:
            self.skipTest("no process namespace can be made here")
        for words in (("supervisor",), ("supervisor", "--guard")):
            system = self.new_system()
            outer = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--mount-proc", BINARY, "--run-dir",
                 str(system.run), *words, "--nodes", "webapp=0,broker=1,backend=0"],
                env=system.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(outer.wait)
            self.addCleanup(outer.kill)
            first = eventually(lambda: self.children(outer.pid, ""))[0]
            self.assertTrue(eventually(lambda: (system.run / "admin.sock").exists()))
            for _ in range(3):
                subprocess.run(["nsenter", "-t", str(first), "-p", "-m", "sh", "-c",
                                "(sleep 0.1 &) ; exit 0"], check=True)
            time.sleep(0.3)
            self.assertTrue(eventually(lambda: not self.children(first, "Z"), 5), words)
            os.kill(first, signal.SIGTERM)
            self.assertEqual(outer.wait(30), 0, words)

    @staticmethod
    def children(pid, state):
        """The children of a process whose state begins so."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                words = stat.read_text(errors="replace").rpartition(")")[2].split()
                if int(words[1]) == pid and words[0].startswith(state):
                    found.append(int(stat.parent.name))
        return found

    @staticmethod
    def total(system):
        return admin(system, {"do": "items"})["items"][0]["total"]


if __name__ == "__main__":
    unittest.main()
