#!/usr/bin/python3
"""The scripts on whole systems: the chaos scripts and the demo say PASS, the end leaves nothing,
the exit codes are the contract's."""

import json
import os
import signal
import subprocess
import unittest

from by_hand import must
from system import BINARY, System, SystemTest, eventually

from stampede import Client


class ChaosScripts(SystemTest):
    def run_chaos(self, system, name, *arguments, timeout=200):
        done = system.script(name, *arguments, timeout=timeout)
        self.assertEqual(done.returncode, 0, f"{name}\n{done.stdout}{done.stderr}{system.logs()}")
        self.assertEqual(done.stdout.rstrip().splitlines()[-1], "PASS")
        return done.stdout

    def test_each_chaos_script_passes_on_the_running_system(self):
        system = self.start_system()
        for node in "backend", "broker", "webapp":
            before = system.pids()
            said = self.run_chaos(system, f"chaos_kill_{node}.sh", "--times", 1, "--seed", 7)
            self.assertIn(f"killed {node}-1", said)
            after = system.pids()
            died = {name for name, pid in before.items() if after[name] != pid}
            self.assertEqual(died, {f"{node}-1"})
            self.assertIn("SIGKILL", system.node(f"{node}-1")["last_exit"])
        before = system.pids()
        said = self.run_chaos(system, "chaos_kill_actor.sh", "--times", 1)
        self.assertEqual(said.count("killed actor"), 7)
        self.assertEqual(len(set(before.values()) & set(system.pids().values())), 1, "supervisor")
        for name in before:
            if name != "supervisor-1":
                self.assertIn("70", str(system.node(name)["last_exit"]))

    def test_the_demo_passes_on_its_own_system_and_removes_it(self):
        system = self.new_system()  # not started: the demo makes its own below TMPDIR
        done = system.script("demo.sh", timeout=200, STAMPEDE_RUN_DIR=str(system.home / "none"),
                             TMPDIR=str(system.home))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.rstrip().splitlines()[-1], "PASS")
        self.assertIn("[5/5]", done.stdout)
        self.assertEqual(sorted(os.listdir(system.home)), [])

    def test_what_chaos_refuses(self):
        system = self.start_system()
        unknown = system.stampede("chaos", "kill", "backend-1", "--actor", "cook")
        self.assertEqual(unknown.returncode, 2, unknown.stderr)
        for name in "port", "core", "log", "lane-1":
            self.assertIn(name, unknown.stderr)
        self.assertEqual(system.stampede("chaos", "kill", "kitchen").returncode, 2)
        pids = system.pids()
        system.halt()
        settings = system.run / "stampede.toml"
        text = settings.read_text(encoding="utf-8")
        self.assertIn("dev = true", text)
        settings.write_text(text.replace("dev = true", "dev = false"), encoding="utf-8")
        system.start()
        refused = system.stampede("chaos", "kill", "backend-1")
        self.assertEqual(refused.returncode, 6, refused.stderr)
        self.assertEqual(system.script("chaos_kill_backend.sh", "--times", 1).returncode, 6)
        # The running system decides, not what the one who asks calls it.
        refused = system.stampede("chaos", "db", "--stop", "1s", STAMPEDE_DEV="true")
        self.assertEqual(refused.returncode, 6, refused.stderr)
        self.assertIn("STAMPEDE_DEV is passed over", refused.stderr)
        self.assertIn("chaos is refused because dev is false", refused.stderr)
        self.assertTrue(set(pids.values()).isdisjoint(system.pids().values()))


class StartAndStop(SystemTest):
    def test_texts_of_all_tongues_come_back_from_sql(self):
        """Whatever the client would take for its character set by itself: Debian's is utf8mb3."""
        name = "\u624b\u673a\U0001f600"
        system = self.start_system(f"7:{name}:10")
        asked = system.script("sql.sh", "-N", "-e",
                              f"SELECT name, name = '{name}' FROM item WHERE id = 7")
        self.assertEqual((asked.returncode, asked.stdout), (0, f"{name}\t1\n"), asked.stderr)

    def test_exit_codes_of_a_system_that_does_not_run(self):
        system = self.new_system()
        system.run.mkdir()
        self.assertEqual(system.script("status.sh").returncode, 3)
        self.assertEqual(system.script("sql.sh", "-e", "SELECT 1").returncode, 7)
        self.assertEqual(system.stampede("health").returncode, 3)
        self.assertIn(system.stampede("status").returncode, (3, 7))
        self.assertEqual(system.stampede("verify").returncode, 3)
        self.assertEqual(system.stampede("order", "1", "--user", "ann").returncode, 7)
        for words, named in (["statsu"], "statsu"), (["--jsn"], "--jsn"), (["item", "ad"], "ad"):
            wrong = system.stampede(*words)
            self.assertEqual(wrong.returncode, 2, words)
            self.assertIn(f"there is no {named} here", wrong.stderr)
        self.assertEqual(system.stampede("bench", "--requests", 1).returncode, 7)
        stopped = system.script("stop_all.sh")
        self.assertEqual((stopped.returncode, stopped.stdout.split()[0]), (0, "nothing"))

    def test_stop_leaves_no_process_and_start_goes_on_where_it_was(self):
        system = self.start_system("1:Phone:1000")
        with Client(system.zmq) as client:
            told = [client.order(1, f"u{n}", request_id=f"s{n}").order_id for n in range(200)]
        stopped = system.halt()
        self.assertIn("database up to date", stopped.stdout)
        self.assertEqual(system.processes(), {})
        self.assertEqual(system.halt().stdout.split()[0], "nothing")
        system.start("1:Phone:1000")
        before = system.pids()
        system.start("1:Phone:1000", "2:Watch:5")
        self.assertEqual(system.pids(), before, "a second start restarted something")
        with Client(system.zmq) as client:
            self.assertEqual([client.order(1, f"u{n}", request_id=f"s{n}").order_id
                              for n in range(200)], told)
            self.assertEqual([one.left for one in client.items()], [800, 5])
        self.assertEqual(system.verify()["rows"], 200)
        system.halt(now=True)
        self.assertEqual(system.processes(), {})

    def test_variables_of_the_caller_make_no_other_system_of_one_that_runs(self):
        system = self.start_system("1:Phone:10")
        with Client(system.zmq) as client:
            self.assertTrue(client.order(1, "ann").confirmed)
        other = {"STAMPEDE_DB__URL": "mysql://ann@127.0.0.1:1/shop", "STAMPEDE_LOG__DIR": "x",
                 "STAMPEDE_WEBAPP__HTTP": "127.0.0.1:1", "STAMPEDE_DB__LANES": "7"}
        done = system.script("start_all.sh", "--item", "2:Watch:5", **other)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in other:
            self.assertEqual(done.stderr.count(f"{name} is passed over"), 1, done.stderr)
        self.assertIn(f"http://127.0.0.1:{system.http_port}/", done.stdout)
        self.assertIn("private, socket", done.stdout)
        for words in (("verify", "--wait", "30s"), ("log", "verify"), ("migrate", "status")):
            done = system.stampede("--json", *words, **other)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(done.stderr.count("is passed over"), len(other), done.stderr)
        missing = system.stampede("--json", "order", "show", "none", **other)
        self.assertNotIn("passed over", missing.stdout)
        rows = system.script("sql.sh", "-e", "SELECT COUNT(*) FROM orders", **other)
        self.assertEqual(rows.returncode, 0, rows.stderr)
        self.assertIn("STAMPEDE_DB__URL is passed over", rows.stderr)
        wrong = system.script("start_all.sh", STAMPEDE_DB__LANES="0")
        self.assertIn("STAMPEDE_DB__LANES", wrong.stderr)
        self.assertEqual(wrong.returncode, 0, wrong.stderr)

    def test_a_wrong_configuration_is_refused_with_2_and_not_kept(self):
        system = self.new_system()
        settings = system.run / "stampede.toml"
        wrong = system.script("start_all.sh", STAMPEDE_DB__LANES="0")
        self.assertEqual(wrong.returncode, 2, wrong.stderr)
        self.assertIn("STAMPEDE_DB__LANES", wrong.stderr)
        secret = system.try_start("--db", "mysql://ann:secret@127.0.0.1:1/shop")
        self.assertEqual(secret.returncode, 2, secret.stderr)
        self.assertNotIn("secret", secret.stdout + secret.stderr)
        self.assertFalse(settings.exists())
        settings.write_text("[db\n", encoding="utf-8")
        self.assertEqual(system.try_start().returncode, 2)
        settings.unlink()
        system.start()

    def test_a_node_with_a_wrong_configuration_says_so_in_its_run_directory(self):
        system = self.new_system()
        system.run.mkdir()
        wrong = {"STAMPEDE_DB__LANES": "0", "STAMPEDE_RUN_DIR": str(system.run)}
        done = subprocess.run([BINARY, "webapp"], env=system.environment | wrong, cwd=system.home,
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 78, done.stderr)
        note = json.loads((system.run / "webapp-1.exit").read_text(encoding="utf-8"))
        self.assertEqual(note["code"], 78)
        self.assertFalse((system.home / "webapp-1.exit").exists())

    def test_a_database_that_does_not_answer_is_7(self):
        done = self.new_system().try_start("--db", "mysql://ann@127.0.0.1:1/shop")
        self.assertEqual(done.returncode, 7, done.stderr)

    def test_back_to_the_private_database(self):
        system = self.new_system()
        system.run.mkdir(mode=0o700)
        settings = system.run / "stampede.toml"
        settings.write_text('[db]\nurl = "mysql://ann@127.0.0.1:1/shop"\n', encoding="utf-8")
        self.assertEqual(system.try_start().returncode, 7)
        wrong = system.try_start("--db", "private", "--db-password-file", "/dev/null")
        self.assertEqual(wrong.returncode, 2, wrong.stderr)
        done = system.try_start("--db", "private")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("url", settings.read_text(encoding="utf-8"))
        again = system.try_start("--db", "private")
        self.assertEqual(again.returncode, 0, again.stderr)

    def test_a_running_system_is_not_turned_into_another_one(self):
        system = self.new_system()
        system.start(nodes="webapp=2")
        before = system.pids()
        self.assertEqual(sorted(before), ["backend-1", "broker-1", "supervisor-1", "webapp-1",
                                          "webapp-2"], "who is not named runs once")
        for asked, words in (("--nodes", "broker=0"), "only webapps change"), \
                (("--db", "mysql://ann@127.0.0.1:1/shop"), "private database"):
            refused = system.try_start(*asked)
            self.assertEqual(refused.returncode, 6, refused.stderr)
            self.assertIn(words, refused.stderr)
        system.start(nodes="webapp=2,broker=1,backend=1")
        self.assertIn("ready: webapp=2,", system.try_start().stdout)
        self.assertEqual(system.pids(), before)

    def test_fresh_moves_the_old_sale_away(self):
        system = self.start_system("1:Phone:10")
        self.assertEqual(system.try_start("--fresh").returncode, 6, "refused while it runs")
        system.halt()
        system.start("9:Lamp:3", arguments=["--fresh"])
        items = system.report("item", "list")["items"]
        self.assertEqual([one["item"] for one in items], [9])
        old = list(system.run.glob("old-*"))
        self.assertEqual(len(old), 1)
        self.assertEqual(sorted(os.listdir(old[0])), ["commandlog", "db"])

    def test_fresh_keeps_two_old_sales(self):
        """The last one, whatever its time says, and the newest of the others; nothing else goes."""
        system = self.new_system()
        others = ["old-20200101T000000Z", "old-20990101T000000Z", "old-20210101T000000Z",
                  "old-notes", "old-2020010100000000Z"]
        for name in others:
            (system.run / name / "db").mkdir(parents=True)
        (system.run / "old-20220101T000000Z").symlink_to(system.run / "old-notes")
        (system.run / "commandlog").mkdir()
        done = must(system.script("start_all.sh", "--fresh"), "start_all.sh --fresh")
        here = sorted(path.name for path in system.run.glob("old-*"))
        kept = [name for name in here if name not in (*others, "old-20220101T000000Z")]
        self.assertEqual(len(kept), 1, here)
        self.assertEqual(set(here) - set(kept), {"old-20990101T000000Z", "old-notes",
                                                 "old-2020010100000000Z", "old-20220101T000000Z"})
        for name in "old-20200101T000000Z", "old-20210101T000000Z":
            self.assertIn(f"removed {system.run}/{name}", done.stdout)


class WhileItRuns(SystemTest):
    """One system for all of them; each leaves it as well as it found it."""

    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.addClassCleanup(cls.system.stop)
        cls.system.start("1:Phone:10", "2:Watch:10", "3:Lamp:2")

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)

    def test_health_and_status_of_a_system_with_a_sick_node(self):
        system = self.system
        self.assertEqual(system.stampede("health").returncode, 0)
        self.assertEqual(system.script("status.sh").returncode, 0)
        # What a status shows is as old as the last heartbeat.
        shown = lambda: [(one["item"], one["left"]) for one in json.loads(
            system.script("status.sh", "--json").stdout)["items"]]
        self.assertTrue(eventually(lambda: shown()[:1] == [(1, 10)], 5), shown())
        broker = system.kill9("broker-1")
        system.wait_back("broker-1", broker)
        status = system.node("broker-1")
        self.assertEqual(status["state"], "ready")
        self.assertGreaterEqual(status["restarts"], 1)
        supervisor = system.pid("supervisor-1")
        system.signal(supervisor, signal.SIGSTOP)
        try:
            # No supervisor to ask: not ready, and said within the time that was given.
            self.assertEqual(system.stampede("health", "--wait", "1s").returncode, 3)
        finally:
            system.signal(supervisor, signal.SIGCONT)
        system.wait_ready()

    def test_orders_of_the_command_line(self):
        system = self.system
        buy = lambda *more: system.stampede("order", 3, "--user", "ann", *more).returncode
        self.assertEqual(buy("--request-id", "a"), 0)
        self.assertEqual(buy("--request-id", "a"), 0)
        self.assertEqual(buy("--request-id", "a", "--qty", 2), 1, "key_reused")
        self.assertEqual(buy("--qty", 2), 8, "sold out")
        self.assertEqual(system.stampede("order", "show", "a").returncode, 0)
        self.assertEqual(system.stampede("order", "show", "b").returncode, 1)
        self.assertEqual(buy("--request-id", "c", "--qty", 2), 8)
        shown = system.stampede("order", "show", "c")
        self.assertEqual((shown.returncode, "stored" in shown.stdout), (8, False), shown.stdout)
        for name, code in ("Lamp", 0), ("Torch", 1), ("", 2), ("a\nb", 2), ("a\x1b[7m", 2), \
                ("n" * 501, 2), ("\udcff", 2):
            done = system.stampede("item", "add", 3, "--name", name, "--stock", 2)
            self.assertEqual(done.returncode, code, name)
        self.assertEqual(system.stampede("item", "stock", 3, "-2").returncode, 8)
        self.assertEqual(system.stampede("item", "stock", 3, "+3").returncode, 0)
        left = {one["item"]: one["left"] for one in system.report("item", "list")["items"]}
        self.assertEqual(left[3], 4)
        system.verify()
        self.assertEqual(system.number("SELECT COUNT(*) FROM orders WHERE item_id = 3"), 1)

    def test_a_lost_supervisor_is_replaced_and_the_nodes_keep_serving(self):
        system = self.system
        before = system.pids()
        system.kill9("supervisor-1")
        with Client(system.zmq) as client:
            self.assertTrue(client.order(2, "ann").confirmed)
        self.assertTrue(eventually(lambda: system.pid("supervisor-1") not in
                                   (None, before["supervisor-1"])), "the guard did not start it")
        system.wait_ready()
        adopted = {name: pid for name, pid in system.pids().items() if name != "supervisor-1"}
        self.assertEqual(adopted, {name: before[name] for name in adopted})
        system.verify()


if __name__ == "__main__":
    unittest.main(verbosity=2)
