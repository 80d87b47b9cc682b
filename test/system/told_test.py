#!/usr/bin/python3
"""What status, health and refusals say: of a database that is away, refuses, hangs or is not safe
(which of these, since when, the server's own words and number, what to do; orders go on meanwhile),
of limits that were hit, and of a process at the end of its descriptors.
"""

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

import msgpack
import zmq

from by_hand import (admin, end_database, end_sessions, log_dir, log_text, must, start_database,
                     waits_for_operator)
from system import SystemTest, eventually

from stampede import Client

PATH = {"PATH": os.environ["PATH"]}


class DatabaseTold(SystemTest):
    def setUp(self):
        self.system = self.start_system("1:Phone:1000")
        self.client = Client(self.system.zmq)
        self.addCleanup(self.client.close)

    def root(self, *statements):
        self.system.sql("; ".join(statements))

    def end_sessions(self):
        end_sessions(self.system, "user='stampede' AND command='Sleep'")

    def new_sessions(self):
        """The lanes connect anew; somebody orders, so that they have to."""
        self.end_sessions()
        self.order()

    def order(self):
        self.assertEqual(self.client.order(1, "ann", 1).state, "confirmed")

    def database(self):
        return self.system.status()["database"]

    def said(self, state, words, seconds=30):
        """Waits until status says so; then its text, health and /readyz say the same, and ready."""
        told = lambda: (lambda now: now["state"] == state and re.search(words, now["why"]))(
            self.database())
        self.assertTrue(eventually(told, seconds, pause=0.1), (state, words, self.database()))
        self.assertGreaterEqual(self.database()["for_s"], 0)
        text = self.system.stampede("status").stdout
        self.assertRegex(text, rf"database  {state} for 00:0\d:\d\d ")
        self.assertRegex(text, rf"note      the database is {state}: .*{words}")
        health = self.system.stampede("health")
        self.assertEqual((health.returncode, health.stdout), (0, "ready\n"))
        self.assertRegex(health.stderr, words)
        with urllib.request.urlopen(self.system.health + "/readyz") as answer:
            self.assertRegex(json.load(answer)["notes"][0], words)

    def well_again(self):
        well = lambda: self.database()["state"] == "ok" and "why" not in self.database()
        self.assertTrue(eventually(well, 40, pause=0.1), self.database())
        self.assertEqual(self.system.status()["notes"], [])

    def refusal(self, wrong, right, words):
        self.root(*wrong)
        self.new_sessions()
        self.said("refused", words)
        self.order()
        self.root(*right)
        self.well_again()

    def test_a_quiet_backend_sees_that_the_database_is_gone_or_was_put_back(self):
        self.order()
        self.system.verify()
        pid = self.system.kill9("backend-1")
        self.root("UPDATE lane SET batches = batches + 100")
        self.system.wait_back("backend-1", pid)
        end_database(self.system)
        self.said("unreachable", "is the server running")
        start_database(self.system)
        self.well_again()

        def put_back():  # again, should a lane not have looked yet when it was done first
            self.root("UPDATE lane SET batches = batches - 1 WHERE batches > 0")
            return waits_for_operator(self.system, "backend-1", 3)
        self.assertTrue(eventually(put_back))

    def test_unreachable_is_told_from_refused_because(self):
        with self.subTest("stopped"):
            end_database(self.system, signal.SIGTERM)
            self.order()
            self.said("unreachable", r"\(2002\); is the server running")
            start_database(self.system)
            self.well_again()
        password = (self.system.run / "db.password").read_text(encoding="ascii").strip()
        user = "stampede@localhost"
        for name, wrong, right, words in (
                ("password", f"ALTER USER {user} IDENTIFIED BY 'another'",
                 f"ALTER USER {user} IDENTIFIED BY '{password}'",
                 r"Access denied.*\(1045\).*db\.password_file"),
                ("locked", f"ALTER USER {user} ACCOUNT LOCK", f"ALTER USER {user} ACCOUNT UNLOCK",
                 r"locked.*\(4151\); check the user"),
                ("rights", f"REVOKE UPDATE ON stampede.* FROM {user}",
                 f"GRANT SELECT,INSERT,UPDATE ON stampede.* TO {user}",
                 r"\(1142\); grant SELECT, INSERT, UPDATE"),
                ("read only", "SET GLOBAL read_only=1", "SET GLOBAL read_only=0",
                 r"read-only.*\(1290\).*primary"),
                ("connections of a user", f"ALTER USER {user} WITH MAX_USER_CONNECTIONS 1",
                 f"ALTER USER {user} WITH MAX_USER_CONNECTIONS 0",
                 r"max_user_connections.*\(1226\); raise the limits"),
                ("sessions that end", "SET GLOBAL init_connect='SELECT * FROM nowhere'",
                 "SET GLOBAL init_connect=''", r"\(1184\); the server ends new sessions"),
                ("table", "RENAME TABLE orders TO away", "RENAME TABLE away TO orders",
                 r"orders' doesn't exist.*\(1146\); if tables are being restored")):
            with self.subTest(name):
                self.refusal([wrong], [right], words)
        self.assertEqual(self.system.verify()["failed"], 0)

    def test_a_full_server_refuses_and_a_hung_one_is_unreachable(self):
        with self.subTest("too many connections"):
            self.root("SET GLOBAL max_connections=10")
            sleepers = []
            try:
                self.fill_server(sleepers, 10)
                self.order()
                self.said("refused", r"Too many connections \(1040\); raise max_connections")
            finally:
                for sleeper in sleepers:
                    sleeper.kill()
                    sleeper.wait()
                self.end_sleepers()
            self.well_again()
        with self.subTest("hung"):
            pid = self.system.database_pid()
            self.system.signal(pid, signal.SIGSTOP)
            try:
                self.order()
                self.said("unreachable", "no answer for .* s: the server hangs")
            finally:
                self.system.signal(pid, signal.SIGCONT)
            self.well_again()

    def fill_server(self, sleepers, connections):
        """All are the sleepers'; whoever took one of them meanwhile is sent away."""
        def full():
            held = self.system.number("SELECT COUNT(*) FROM information_schema.processlist "
                                      "WHERE info='SELECT SLEEP(600)'")
            if held < connections:
                self.end_sessions()
                sleepers.extend(self.sleeper() for _ in range(connections - held))
            return held == connections
        self.assertTrue(eventually(full, 60, pause=0.5))

    def sleeper(self):
        """A client that keeps a connection; it ends at once when the server is full."""
        password = (self.system.run / "db.password").read_text(encoding="ascii").strip()
        return subprocess.Popen(
            ["mariadb", "--no-defaults", "--user=stampede", "-e", "SELECT SLEEP(600)",
             f"--socket={self.system.run}/db/mysql.sock"], env={"MYSQL_PWD": password, **PATH},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end_sleepers(self):
        """The server does not look whether their clients are still there."""
        end_sessions(self.system, "info LIKE 'SELECT SLEEP(600)'")

    def test_settings_that_lose_committed_rows_are_told_and_nothing_is_refused(self):
        system = self.system
        self.assertEqual(self.database()["unsafe"], [])
        setting = "innodb_flush_log_at_trx_commit"
        for value in (2, 0):
            self.root(f"SET GLOBAL {setting}={value}")
            self.new_sessions()
            said = f"{setting} is {value}, safe is 1"
            self.assertTrue(eventually(lambda: self.database()["unsafe"] == [said]),
                            self.database())
            self.assertIn(said, system.stampede("status").stdout)
            health = system.stampede("health")
            self.assertEqual((health.returncode, health.stdout), (0, "ready\n"))
            self.assertIn(said, health.stderr)
            self.new_sessions()
            self.assertEqual(log_text(system, "backend-1").count(said), 1, "once per change")
        self.root(f"SET GLOBAL {setting}=1", "ALTER TABLE orders ENGINE=Aria")
        self.new_sessions()
        said = ["table orders is of engine Aria, safe is InnoDB"]
        self.assertTrue(eventually(lambda: self.database()["unsafe"] == said), self.database())
        self.root("ALTER TABLE orders ENGINE=InnoDB")
        self.new_sessions()
        self.assertTrue(eventually(lambda: self.database()["unsafe"] == []), self.database())
        self.well_again()
        self.assertEqual(system.verify()["failed"], 0)


class LimitsTold(SystemTest):
    def ready_8080(self, system):
        try:
            with urllib.request.urlopen(system.http + "/readyz", timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    @staticmethod
    def ask(system, orders):
        """The answers to orders, one after the other, as they come over the wire."""
        with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.connect(system.zmq)
            for number in range(orders):
                dealer.send(msgpack.packb({"op": "order", "id": f"o{number}", "item": 1,
                                           "user": "ann", "qty": 1}))
                if dealer.poll(20000):
                    yield msgpack.unpackb(dealer.recv())

    def test_a_full_backlog_is_named_by_refusals_and_by_every_readyz(self):
        system = self.start_system("1:Phone:1000", STAMPEDE_LOG__BACKLOG_COMMANDS_MAX="6")
        self.assertEqual(self.ready_8080(system), (200, {"state": "ready"}))
        end_database(system, signal.SIGTERM)
        named = r"log\.backlog_commands_max = 6 commands wait for the database"
        with Client(system.zmq) as client:
            answer = next(one for one in self.ask(system, 40) if "code" in one)
            self.assertEqual(answer["code"], "overloaded")
            self.assertRegex(answer["message"], named)
            self.assertNotIn("field", answer)
            refused = lambda: self.ready_8080(system)[0] == 503
            self.assertTrue(eventually(refused))
            told = self.ready_8080(system)[1]
            self.assertEqual((told["code"], told["state"]), ("overloaded", "ready"))
            self.assertRegex(told["detail"], named)
            says = lambda: re.search(named, system.node("webapp-1").get("refuses") or "")
            self.assertTrue(eventually(says), system.node("webapp-1"))
            start_database(system)
            self.assertTrue(eventually(lambda: self.ready_8080(system)[0] == 200, 60))
            self.assertEqual(client.order(1, "ann", 1).state, "confirmed")

    def test_a_webapp_without_descriptors_is_quiet_says_so_and_recovers(self):
        system = self.start_system("1:Phone:1000")
        pid = system.pid("webapp-1")
        used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 20, before[1]))
        note = lambda: any("webapp-1: nearly all " in one for one in system.status()["notes"])
        lines = len(log_text(system, "webapp-1").splitlines())
        held = []
        try:
            for port in [system.http_port, system.base + 1, system.base + 2] * 30:
                held.append(socket.create_connection(("127.0.0.1", port), 5))
            self.assertTrue(eventually(note, 20), system.status()["notes"])
            self.assertRegex(system.stampede("health").stderr, "raise `ulimit -n`")
            spent = self.cpu(pid)
            self.assertTrue(eventually(lambda: not note(), 1.5) or note())
            self.assertLess(self.cpu(pid) - spent, 1.0, "it is not quiet")
            with Client(system.zmq) as client:
                self.assertEqual(client.order(1, "ann", 1, timeout=20).state, "confirmed")
            self.assertEqual(self.ready_8080(system)[0], 200)
        finally:
            for one in held:
                one.close()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        self.assertTrue(eventually(lambda: not note(), 20), system.status()["notes"])
        self.assertEqual(system.pid("webapp-1"), pid)
        self.assertLess(len(log_text(system, "webapp-1").splitlines()), lines + 20)

    def test_who_fills_the_open_requests_hears_of_a_share_and_others_find_room(self):
        system = self.start_system("1:Phone:5000", STAMPEDE_WEBAPP__WAITING_MAX="900")
        order = lambda name, **more: msgpack.packb(
            {"op": "order", "id": name, "item": 1, "user": "ann", "deadline_ms": 20000} | more)
        pid = system.pid("backend-1")
        with zmq.Context() as context, context.socket(zmq.DEALER) as greedy, \
                context.socket(zmq.DEALER) as modest:
            for dealer in (greedy, modest):
                dealer.setsockopt(zmq.LINGER, 0)
                dealer.connect(system.zmq)
            modest.send(msgpack.packb({"op": "ping"}))
            self.assertTrue(modest.poll(10000))
            modest.recv()
            system.signal(pid, signal.SIGSTOP)
            try:
                for number in range(1000):
                    greedy.send(order(f"g{number}"))
                self.assertTrue(greedy.poll(10000))
                refused = msgpack.unpackb(greedy.recv())
                modest.send(order("m", ack=True))
                self.assertTrue(modest.poll(10000))
                taken = msgpack.unpackb(modest.recv())
            finally:
                system.signal(pid, signal.SIGCONT)
            self.assertEqual(refused["code"], "overloaded")
            self.assertRegex(refused["message"], r"has its share .*webapp\.waiting_max = 900")
            self.assertEqual(taken, {"id": "m", "state": "queued"})
            self.assertTrue(modest.poll(20000))
            self.assertEqual(msgpack.unpackb(modest.recv())["state"], "confirmed")

    def test_who_fills_one_door_leaves_the_others_open_and_dead_nodes_are_started_again(self):
        system = self.start_system("1:Phone:1000")
        webapp, supervisor = system.pid("webapp-1"), system.pid("supervisor-1")
        for pid in (webapp, supervisor):
            hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (160, hard))
        listen = b"GET /v1/events?items=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        held = []
        self.addCleanup(lambda: [one.close() for one in held])

        def fill(address, words=b"", family=socket.AF_INET):
            for _ in range(200):
                one = socket.socket(family)
                one.settimeout(5)
                try:
                    one.connect(address)
                    one.sendall(words)
                except OSError:
                    pass  # turned away
                held.append(one)

        fill(("127.0.0.1", system.base + 1))
        fill(("127.0.0.1", system.http_port), listen)
        fill(("127.0.0.1", system.http_port))
        with Client(system.zmq) as client:
            self.assertEqual(client.order(1, "ann", 1, timeout=20).state, "confirmed")
        self.assertEqual(self.ready_8080(system)[0], 200)
        fill(("127.0.0.1", system.base))
        fill(str(system.run / "admin.sock"), family=socket.AF_UNIX)
        began = time.monotonic()
        self.assertEqual(system.stampede("status").returncode, 0)
        self.assertLess(time.monotonic() - began, 3)
        system.signal(webapp, signal.SIGKILL)
        again = lambda: system.pid("webapp-1") not in (None, webapp)
        self.assertTrue(eventually(again, 5), system.status()["notes"])
        self.assertEqual(system.pid("supervisor-1"), supervisor)

    def test_an_http_connection_that_fills_the_open_requests_leaves_room_to_the_others(self):
        system = self.start_system("1:Phone:5000", STAMPEDE_WEBAPP__WAITING_MAX="900")
        post = lambda name: (lambda body: (
            b"POST /v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)))(
                json.dumps({"item": 1, "user": "ann", "id": name}).encode())
        pid = system.pid("backend-1")
        system.signal(pid, signal.SIGSTOP)
        try:
            with socket.create_connection(("127.0.0.1", system.http_port), 10) as greedy:
                heard = b""
                for number in range(1000):
                    greedy.sendall(post(f"g{number}"))
                    if number % 50 == 49:  # one answer at a time
                        while heard.count(b"HTTP/1.1 ") <= number:
                            heard += greedy.recv(65536)
                self.assertIn(b"HTTP/1.1 503", heard)
                self.assertGreater(heard.count(b"HTTP/1.1 202"), 500)
                with socket.create_connection(("127.0.0.1", system.http_port), 10) as modest:
                    modest.sendall(post("m"))
                    self.assertIn(b"HTTP/1.1 202", modest.recv(65536))
        finally:
            system.signal(pid, signal.SIGCONT)

    def test_a_process_that_floods_the_control_socket_leaves_others_their_answers(self):
        system = self.start_system("1:Phone:1000")
        flood = subprocess.Popen([sys.executable, "-c", """
import socket, sys, time
line = b'{"do":"stock_change","request_id":"r","item":1,"delta":1}\\n' * 16
while True:
    kept = []
    for _ in range(60):
        one = socket.socket(socket.AF_UNIX)
        one.setblocking(False)
        try:
            one.connect(sys.argv[1])
            one.send(line)
        except OSError:
            pass
        kept.append(one)
    time.sleep(0.02)
""", str(system.run / "admin.sock")])
        try:
            time.sleep(1)
            for _ in range(5):
                began = time.monotonic()
                self.assertTrue(eventually(lambda: "items" in self.told(system, "items"), 10))
                self.assertLess(time.monotonic() - began, 2)
        finally:
            flood.kill()
            flood.wait()

    def test_a_process_whose_commands_all_wait_leaves_others_the_control_socket(self):
        system = self.start_system("1:Phone:1000")
        pid = system.pid("backend-1")
        system.signal(pid, signal.SIGSTOP)
        waiting = subprocess.Popen([sys.executable, "-c", """
import socket, sys, time
kept = []
for _ in range(64):
    one = socket.socket(socket.AF_UNIX)
    one.connect(sys.argv[1])
    one.send(b'{"do":"items"}\\n')
    kept.append(one)
print("asked", flush=True)
time.sleep(60)
""", str(system.run / "admin.sock")], stdout=subprocess.PIPE)
        try:
            waiting.stdout.readline()
            for _ in range(5):
                self.assertEqual(system.stampede("status").returncode, 0)
        finally:
            waiting.kill()
            waiting.communicate()
            system.signal(pid, signal.SIGCONT)

    @staticmethod
    def told(system, what):
        """The control socket's answer; {} of a connection that had to make room."""
        try:
            return admin(system, {"do": what})
        except (OSError, ValueError):
            return {}

    @staticmethod
    def cpu(pid):
        words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Starts(SystemTest):
    def waits(self, system, why):
        """The start, and everybody says so, and what to do."""
        refuses = lambda: system.node("backend-1").get("refuses") or ""
        self.assertTrue(eventually(lambda: why in refuses(), 20), system.node("backend-1"))
        self.assertEqual(system.node("backend-1")["waits_for"], "database")
        health = system.stampede("health")
        self.assertEqual(health.returncode, 3)
        self.assertIn(why, health.stdout)
        status = system.stampede("status").stdout
        self.assertIn(f"backend-1: {refuses()}", status)
        self.assertIn("next: backend-1 waits: mend what the note says of the database", status)
        self.assertIn("note      the database is ", status)
        self.assertRegex(system.stampede("doctor").stdout, r"backend-1 waits: .*database")

    def test_a_start_that_waits_for_the_database_says_so_and_what_to_do(self):
        system = self.start_system("1:Phone:100")
        system.verify()
        log = log_dir(system)
        with self.subTest("a log that was moved"):
            must(system.stampede("stop", "backend-1"), "stop")
            log.rename(system.home / "kept")
            shutil.copytree(system.home / "kept", log)
            end_database(system)
            must(system.stampede("start", "backend-1"), "start")
            self.waits(system, "the start waits for the database, which knows who owns it")
            must(system.stampede("stop", "backend-1"), "stop")
            shutil.rmtree(log)
            (system.home / "kept").rename(log)
            start_database(system)
            must(system.stampede("start", "backend-1"), "start")
            system.wait_ready()
            self.assertIsNone(system.node("backend-1")["refuses"])
        with self.subTest("a first start"):
            must(system.stampede("stop", "backend-1"), "stop")
            shutil.rmtree(log)
            for table in ("orders", "item", "lane", "meta"):
                system.sql(f"DELETE FROM {table}")
            system.sql("INSERT INTO item(id,name,price_cents,total,amount) VALUES (7,'Lamp',9,4,4)")
            system.sql("SET GLOBAL read_only = 1")
            must(system.stampede("start", "backend-1"), "start")
            self.waits(system, "first start waits until the database is its own")
            system.sql("SET GLOBAL read_only = 0")
            system.wait_ready()
            self.assertEqual(system.report("item", "list")["items"][0]["item"], 7)


if __name__ == "__main__":
    unittest.main()
