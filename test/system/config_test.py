#!/usr/bin/python3
"""Configuration belongs to the running system: an edit changes nothing until it is accepted, and it
is accepted as a whole, by every node, or not at all, whoever is killed meanwhile."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

from buyers import Crowd, Sale
from by_hand import admin, arm_next_starts, must
from system import BINARY, System, SystemTest, eventually

from stampede import Client, StampedeError

NODES = ("webapp-1", "broker-1", "backend-1")


class ConfigCase(SystemTest):
    """One system for all tests of a class; each leaves it ready, with an empty difference."""

    @classmethod
    def setUpClass(cls):
        cls.system = System()
        try:
            cls.system.start("1:Phone:1000000")
        except BaseException:
            cls.system.stop()
            raise
        cls.file = cls.system.run / "stampede.toml"
        cls.accepted = cls.system.run / "config.accepted.toml"
        cls.text = cls.file.read_text(encoding="utf-8")

    @classmethod
    def tearDownClass(cls):
        cls.system.stop()

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)

    def tearDown(self):
        """The file as it was at first, and accepted."""
        self.edit("")
        done = self.system.stampede("config", "reload")
        self.assertEqual(done.returncode, 0, done.stderr)

    def edit(self, more):
        """The file as it was at first, and `more` behind it."""
        self.file.write_text(self.text + more, encoding="utf-8")

    def config(self, *words, code=0):
        """The --json report of `stampede config …`."""
        done = self.system.stampede("--json", "config", *words)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def get(self, key):
        return self.config("get", key)["value"]

    def texts(self):
        """The accepted texts that the nodes run with, and the one that counts."""
        status = self.system.status()
        found = {node.get("config") for node in status["nodes"] if node["node"] in NODES}
        return found | {status["config"]["accepted"]}

    def one_text(self):
        return eventually(lambda: len(self.texts()) == 1, 20)

    def changed(self, report):
        return {one["key"]: (one["after"], one["class"]) for one in report["changes"]}


class AnEdit(ConfigCase):
    def test_a_typo_stops_no_node_and_blinds_no_tool(self):
        system = self.system
        with Crowd(system.zmq) as crowd:
            sale = Sale(crowd, 1, "typo", rate=300)
            self.edit("[limits\nuser_per_s = x\n")
            for node in NODES:
                system.wait_back(node, system.kill9(node))
            system.wait_back("supervisor-1", system.kill9("supervisor-1"))
            system.wait_ready()
            for words in (("status",), ("item", "list"), ("order", "1", "--user", "ann")):
                must(system.stampede(*words), words)
            must(system.script("status.sh"), "status.sh")
            must(system.script("sql.sh", "-e", "SELECT 1"), "sql.sh")
            must(system.script("start_all.sh"), "start_all.sh")
            wrong = self.config("check", code=2)
            self.assertIn(f"{self.file}:", wrong["message"])
            told = must(system.stampede("status"), "status").stdout
            self.assertRegex(told, f"config: {re.escape(str(self.file))}:.*goes on with")
            self.assertRegex(system.stampede("doctor").stdout, r"(?m)^warn +config .*goes on with")
            for words in (("diff",), ("reload",), ("set", "tickets.ahead_s", "5")):
                self.config(*words, code=2)
            self.edit("")
            self.assertEqual(self.config("diff"), {"running": True, "changes": []})
            self.assertNotIn("config:", must(system.stampede("status"), "status").stdout)
            self.damage_the_accepted_text()
            self.assertTrue(sale.stop(), crowd.open())
            self.assertEqual(crowd.faults, [])
            self.assertTrue(crowd.ask_all_again())
            self.assertEqual(crowd.faults, [])
        system.verify()

    def damage_the_accepted_text(self):
        """Tools that cannot read it any more name the command that puts it back."""
        before = self.accepted.read_text(encoding="utf-8")
        for damaged in (before + "bogus = 3\n", ""):
            self.accepted.write_text(damaged, encoding="utf-8")
            if damaged:
                self.assertIn("stampede config reload", self.system.stampede("status").stderr)
            self.config("reload")
            self.assertEqual(self.accepted.read_text(encoding="utf-8"), before)
            must(self.system.stampede("status"), "status")

    def test_an_edit_waits_until_it_is_accepted(self):
        system = self.system
        self.edit("[tickets]\nahead_s = 7\n")
        system.restart("backend-1")
        self.assertEqual(self.get("tickets.ahead_s"), 60)
        self.assertEqual(self.changed(self.config("check")),
                         {"tickets.ahead_s": ("7", "node: backend")})
        self.assertEqual(self.get("tickets.ahead_s"), 60)

    def test_a_system_that_stopped_accepts_the_file_at_its_start(self):
        system = self.system
        system.halt()
        self.assertFalse(self.accepted.exists())
        self.edit("[tickets]\nahead_s = 8\n")
        self.assertEqual(self.get("tickets.ahead_s"), 8)
        self.assertFalse(self.config("diff")["running"])
        self.config("set", "tickets.ahead_s", "9")
        system.start()
        self.assertEqual(self.get("tickets.ahead_s"), 9)
        self.assertEqual(self.accepted.stat().st_mode & 0o777, 0o600)


class AReload(ConfigCase):
    def limited(self, client, name):
        """Whether one of a user's next orders is turned away for its rate."""
        def one(number):
            try:
                client.order(1, name, request_id=f"{name}-{time.time_ns()}-{number}", timeout=1)
            except StampedeError as error:
                return error.code == "rate_limited"
            return False
        return any([one(number) for number in range(5)])

    def test_keys_of_every_class_under_load(self):
        system = self.system
        with Crowd(system.zmq) as crowd, Client(system.zmq) as client:
            sale = Sale(crowd, 1, "reload", rate=300)
            pids = system.pids()
            self.edit("[limits]\naddress_per_min = 0\nuser_per_s = 1\nuser_burst = 2\n"
                      "[tickets]\nahead_s = 31\n")
            report = self.config("reload")
            self.assertEqual(self.changed(report), {
                "limits.user_per_s": ("1", "live"), "limits.user_burst": ("2", "live"),
                "tickets.ahead_s": ("31", "node: backend")})
            self.assertEqual(len(self.texts()), 1)
            after = system.pids()
            self.assertEqual({name for name in NODES if pids[name] != after[name]}, {"backend-1"})
            self.assertTrue(self.limited(client, "ann"))
            # Nothing but what counts at once: nobody starts again.
            self.edit("[tickets]\nahead_s = 31\n")
            self.config("reload")
            self.assertEqual(system.pids(), after)
            self.assertFalse(self.limited(client, "bob"))
            # What needs a stop is refused by name, and with it all the rest.
            self.edit("[tickets]\nahead_s = 32\n[db]\nlanes = 3\n")
            refused = self.config("reload", code=6)
            self.assertIn("db.lanes", refused["message"])
            self.assertEqual(self.get("tickets.ahead_s"), 31)
            self.assertEqual(self.changed(self.config("diff"))["db.lanes"], ("3", "system"))
            # SIGHUP to the guard is passed on.
            self.edit("[tickets]\nahead_s = 33\n")
            guard = int((system.run / "guard.pid").read_text(encoding="ascii").split()[0])
            system.signal(guard, signal.SIGHUP)
            self.assertTrue(eventually(lambda: self.get("tickets.ahead_s") == 33))
            self.assertTrue(eventually(lambda: not system.status()["config"]["reloading"]))
            self.edit("")
            self.config("reload")
            self.assertTrue(sale.stop(), crowd.open())
            self.assertEqual(crowd.faults, [])
            self.assertTrue(crowd.ask_all_again())
            self.assertEqual(crowd.faults, [])
        system.verify()

    def test_one_key_by_the_command_line(self):
        self.edit("\n[limits]  # of buyers\nuser_per_s = 900  # each\n")
        self.config("reload")
        self.config("set", "limits.user_per_s", "1000")
        self.config("set", "limits.user_burst", "21")
        self.assertIn("\n[limits]  # of buyers\nuser_per_s = 1000  # each\nuser_burst = 21\n",
                      self.file.read_text(encoding="utf-8"))
        self.assertEqual(self.get("limits.user_per_s"), 1000)
        log = self.system.run / "log" / "broker-1.log"
        self.config("set", "log.level", "critical")
        length = log.stat().st_size
        self.system.restart("broker-1")
        self.assertEqual(log.stat().st_size, length)
        shown = {one["key"]: one for one in self.config("show")["keys"]}
        self.assertEqual(shown["limits.user_burst"],
                         {"key": "limits.user_burst", "value": 21, "origin": "file",
                          "class": "live"})
        self.assertEqual(shown["db.lanes"]["origin"], "default")
        text = self.system.stampede("config", "show", "--origin").stdout
        self.assertRegex(text, rf"limits.user_burst = 21 +file {self.file}\n")
        before = self.file.read_text(encoding="utf-8")
        for key, value, code in (("limits.user_per_s", "-1", 2), ("limits.user_per", "1", 2),
                                 ("limits.address_ban_s", "5", 2), ("db.lanes", "4", 6),
                                 ("webapp.origins", "nonsense", 2)):
            with self.subTest(key):
                self.assertIn(key, self.config("set", key, value, code=code)["message"])
                self.assertEqual(self.file.read_text(encoding="utf-8"), before)
        self.file.write_text(before + "\n[tickets]\nahead_s = 5\n", encoding="utf-8")
        refused = self.config("set", "limits.user_burst", "22", code=6)
        # The way back that it names is one.
        way = "stampede config set tickets.ahead_s 60"
        self.assertIn(f"{way} takes that back", refused["message"])
        must(self.system.stampede(*way.split()[1:]), way)
        self.assertEqual(self.config("diff")["changes"], [])
        self.config("set", "limits.user_burst", "22")

    def test_a_node_that_does_not_get_ready_turns_all_back(self):
        system = self.system
        (before,) = self.texts()
        arm_next_starts(system, *["in_replay=kill@1"] * 8)
        refused = self.config("set", "backend.hold_grace_s", "31", code=3)
        self.assertIn("backend-1", refused["message"])
        self.assertIn("every node runs with the old configuration again", refused["message"])
        must(system.stampede("chaos", "undo"), "undo")
        system.wait_ready(60)
        self.assertTrue(self.one_text())
        self.assertEqual(self.texts(), {before})
        self.assertEqual(self.get("backend.hold_grace_s"), 30)
        self.assertEqual(self.file.read_text(encoding="utf-8"), self.text)
        self.assertEqual(self.config("diff")["changes"], [])
        system.verify()

    def test_the_supervisor_is_killed_in_the_middle(self):
        system = self.system
        for number, point in enumerate(("reload_earlier", "reload_accepted", "reload_told",
                                        "reload_done")):
            with self.subTest(point):
                (before,) = self.texts()
                self.edit(f"[tickets]\nahead_s = {40 + number}\n[limits]\nuser_per_s = 500\n")
                armed = admin(system, {"do": "failpoints", "node": "supervisor-1",
                                               "arm": f"{point}=kill@1"})
                self.assertEqual(armed, {"ok": True})
                pid = system.pid("supervisor-1")
                asked = system.stampede("config", "reload")
                self.assertNotEqual(asked.returncode, 0)
                self.assertTrue(eventually(
                    lambda pid=pid: system.pid("supervisor-1") not in (None, 0, pid)))
                system.wait_ready()
                self.assertTrue(self.one_text())
                self.assertEqual(self.texts(), {before})
                self.assertEqual(self.get("limits.user_per_s"), 0)
                self.assertFalse((system.run / "config.earlier.toml").exists())
        # What `config set` wanted counts all the same: the next supervisor is asked again.
        armed = admin(system, {"do": "failpoints", "node": "supervisor-1",
                               "arm": "reload_told=kill@1"})
        self.assertEqual(armed, {"ok": True})
        self.edit("")
        pid = system.pid("supervisor-1")
        self.config("set", "tickets.ahead_s", "77")
        self.assertNotEqual(system.pid("supervisor-1"), pid)
        self.assertEqual(self.get("tickets.ahead_s"), 77)
        self.edit(f"[tickets]\nahead_s = 43\n[limits]\nuser_per_s = 500\n")
        # The file is as it was edited; now it is accepted.
        self.config("reload")
        self.assertEqual(self.get("tickets.ahead_s"), 43)
        system.verify()


class NothingRuns(SystemTest):
    def write(self, system, text):
        system.run.mkdir(mode=0o700, exist_ok=True)
        file = system.run / "stampede.toml"
        file.write_text(text, encoding="utf-8")
        file.chmod(0o600)
        return file

    def test_check_refuses_what_a_start_refuses_in_the_same_words(self):
        system = self.new_system()
        keys = '[auth]\nmode = "required"\nkeys_file = "shop.keys"\n'
        cases = (('[net]\nmode = "tcp"\n', None, "net.mode"),
                 ('[curve]\nkey_file = "nothing"\n', None, "curve.key_file"),
                 (keys, None, "auth.keys_file"), (keys, "no JSON", "auth.keys_file"),
                 (keys, '{"keys":[{"kty":"oct","k":"c2hvcnQ"}]}', "auth.keys_file"))
        for text, content, key in cases:
            with self.subTest(key, content=content):
                self.write(system, text)
                shop = system.run / "shop.keys"
                if content is not None:
                    shop.write_text(content, encoding="utf-8")
                    shop.chmod(0o600)
                made = (system.run / "session.keys").exists()
                check = system.stampede("--json", "config", "check")
                self.assertEqual((system.run / "session.keys").exists(), made)
                self.assertEqual(check.returncode, 2, check.stdout + check.stderr)
                fault = json.loads(check.stdout)["message"]
                self.assertIn(key, fault)
                started = system.stampede("supervisor", "--nodes", "webapp=0,broker=0,backend=0")
                self.assertIn(started.returncode, (2, 78), started.stderr)
                words = fault.removeprefix(f"{system.run}/stampede.toml: ")
                self.assertIn(words, started.stderr)
        refused = system.try_start()
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn(words, refused.stderr)

    @unittest.skipIf(os.geteuid(), "needs root")
    def test_a_file_where_its_user_may_not_write_is_left_with_a_way_on(self):
        """As of the packaged service: the file is root's, the run directory its user's."""
        system = self.new_system()
        os.chmod(system.home, 0o755)
        file, binary = system.home / "stampede.toml", system.home / "stampede"
        file.write_text("[db]\nlanes = 3\n", encoding="utf-8")
        shutil.copy(BINARY, binary)
        run = system.home / "service"
        run.mkdir(mode=0o700)
        words = ["--config", file, "--run-dir", run, "config", "set", "db.lanes", "4"]
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        os.chown(run, 65534, 65534)
        for who, code, way in ((nobody, 6, "stampede config check"),
                               ({}, 2, "runuser -u nobody -- stampede")):
            done = subprocess.run([binary, *words], capture_output=True, text=True, check=False,
                                  timeout=60, cwd="/", env={"PATH": "/usr/bin:/bin"}, **who)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(way, done.stderr)
        self.assertEqual(file.read_text(encoding="utf-8"), "[db]\nlanes = 3\n")

    def test_a_wrong_file_blinds_no_tool_that_only_looks(self):
        system = self.start_system("1:Phone:10")
        with Client(system.zmq) as client:
            self.assertTrue(client.order(1, "ann", request_id="first").confirmed)
        system.verify()
        system.halt()
        right = (system.run / "stampede.toml").read_text(encoding="utf-8")
        file = self.write(system, right + "\n[net]\nmodus = 1\n")
        for words in ("log verify", "log dump", "logs"):
            done = must(system.stampede(*words.split()), words)
            self.assertIn(f"{file}:", done.stderr)
        self.assertIn('"first"', system.stampede("log", "dump").stdout)
        self.assertEqual(system.stampede("status").returncode, 7)
        self.assertEqual(system.stampede("order", "list").returncode, 7)  # no database
        report = system.report("doctor")
        found = {one["check"]: one for one in report["checks"]}
        self.assertIn(f"{file}:", found["config"]["text"])
        self.assertEqual(found["config"]["verdict"], "fail")
        self.assertIn("disk room", found)
        # Whoever changes something needs it right.
        self.assertEqual(system.stampede("log", "replay", "--all").returncode, 2)
        file.unlink()
        for make, words in ((file.mkdir, "is a directory"), (lambda: os.mkfifo(file, 0o600),
                                                             "is no regular file")):
            make()
            refused = system.stampede("config", "show")
            self.assertEqual(refused.returncode, 2)
            self.assertIn(words, refused.stderr)
            shutil.rmtree(file) if file.is_dir() else file.unlink()

    def test_a_run_directory_that_is_not_there_has_no_configuration(self):
        system = self.new_system()
        for words in ("get net.bind", "show", "check", "diff"):
            done = system.stampede("config", *words.split())
            self.assertEqual(done.returncode, 2, words)
            self.assertIn("no such run directory", done.stderr)


if __name__ == "__main__":
    unittest.main()
