#!/usr/bin/python3
"""What surrounds a system: directories of strangers, settings of the caller's shell, lock files
that are gone, output that cannot be written, starts that fail."""

import json
import os
import re
import signal
import socket
import subprocess
import unittest

from by_hand import is_alive, must
from system import BINARY, SCRIPTS, System, SystemTest, eventually

STRANGER = 65534
MODULES = ("json", "os", "random", "socket", "urllib", "collections", "tomllib", "re",
           "sitecustomize")
TRAP = 'import os\nos.write(2, b"run from outside\\n")\nraise SystemExit(1)\n'


def as_root(test):
    return unittest.skipUnless(os.geteuid() == 0, "what another user owns is made by root")(test)


class Strangers(SystemTest):
    """No path, setting or pid is believed because it lies where others own or may write."""

    def setUp(self):
        self.system = self.new_system()
        self.victim = self.system.home / "victim"
        self.victim.mkdir(mode=0o755)
        (self.victim / "file").write_text("mine\n", encoding="ascii")

    def plant(self):
        """A run directory with links out of it, settings and pids."""
        run = self.system.run
        run.mkdir()
        for name in ("sock", "log", "commandlog", "db"):
            (run / name).symlink_to(self.victim)
        for name in ("webapp-1.lock", "supervisor-1.lock", "scripts.lock", "db.password",
                     "webapp-1.exit", "stampede.toml.before"):
            (run / name).symlink_to(self.victim / "file")
        (run / "stampede.toml").write_text("dev = true\n", encoding="ascii")
        (run / "guard.pid").write_text(f"{os.getpid()} 1\n", encoding="ascii")
        return run

    def check_refused(self, why):
        before = {path: path.lstat() for path in self.system.run.iterdir()}
        for words in (["webapp"], ["supervisor"], ["backend"], ["broker"]):
            done = self.system.stampede(*words, timeout=30)
            self.assertEqual(done.returncode, 78, (why, words, done.stderr))
        for words in (["status"], ["log", "dump"], ["verify"], ["item", "list"]):
            done = self.system.stampede(*words)
            self.assertEqual(done.returncode, 2, (why, words, done.stderr))
        for words in (["start_all.sh"], ["stop_all.sh"], ["status.sh"],
                      ["sql.sh", "-e", "select 1"], ["chaos_kill_webapp.sh"]):
            done = self.system.script(*words, timeout=60)
            self.assertEqual(done.returncode, 6, (why, words, done.stderr))
            self.assertIn("refused", done.stderr)
        self.assertEqual({path: path.lstat() for path in self.system.run.iterdir()}, before, why)

    @as_root
    def test_a_log_directory_of_another_user_is_not_written_in(self):
        system = self.start_system("1:Phone:5")
        theirs = system.home / "log"
        theirs.mkdir()
        (theirs / "SNAPSHOT-LOCK").symlink_to(self.victim / "made")
        os.chown(theirs, STRANGER, STRANGER)
        for words in (["park", "1.1"], ["unpark", "1.1"], ["snapshot"]):
            done = system.stampede("log", *words, str(theirs))
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("belongs to another user", done.stderr)
        self.assertEqual([path.name for path in self.victim.iterdir()], ["file"])
        self.assertEqual((self.victim / "file").read_text(encoding="ascii"), "mine\n")
        self.assertEqual([path.name for path in self.victim.iterdir()], ["file"])
        self.assertEqual(self.victim.stat().st_mode & 0o777, 0o755)

    @as_root
    def test_a_run_directory_of_another_user(self):
        os.lchown(self.plant(), STRANGER, STRANGER)
        self.check_refused("owned")
        os.lchown(self.system.run, 0, 0)

    def test_a_run_directory_that_others_may_write(self):
        os.chmod(self.plant(), 0o777)
        self.check_refused("writable")
        os.chmod(self.system.run, 0o755)
        os.chmod(self.system.home, 0o777)  # the way to it
        self.check_refused("the way")
        os.chmod(self.system.home, 0o700)

    def test_tcp_between_the_nodes_without_keys(self):
        for node in "supervisor", "webapp", "broker", "backend":
            done = self.system.stampede(node, STAMPEDE_NET__MODE="tcp", timeout=30)
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertIn("curve.key_file", done.stderr)
        done = self.system.script("start_all.sh", STAMPEDE_NET__MODE="tcp")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("curve.key_file", done.stderr)
        self.assertFalse((self.system.run / "stampede.toml").exists())


class NoDirectory(SystemTest):
    """Called from a directory that was removed."""

    def call(self, words):
        system = self.new_system()
        environment = dict(system.environment)
        del environment["STAMPEDE_RUN_DIR"]
        gone = system.home / "gone"
        gone.mkdir()
        return subprocess.run(
            ["/bin/sh", "-c", f'cd {gone} && rmdir {gone} && exec "$0" "$@"', BINARY, *words],
            env=environment, capture_output=True, text=True, timeout=60, check=False)

    def test_a_relative_place_is_refused_in_words(self):
        tools = ("status", "health", "log verify", "config show", "config set limits.user_per_s 5",
                 "item list", "doctor", "keys new file", "verify", "order 1 --user ann",
                 "--config a.toml --run-dir /nowhere status", "--run-dir run log dump")
        for words, code in [*((words, 2) for words in tools), ("supervisor", 78),
                            ("supervisor --guard", 78), ("backend", 78), ("webapp", 78)]:
            done = self.call(words.split())
            self.assertEqual((done.returncode, done.stdout), (code, ""), (words, done.stderr))
            self.assertRegex(done.stderr, r"^stampede: .*the working directory is gone: [^\n]*\n$")
        done = self.call(["--json", "status"])
        self.assertIn("the working directory is gone", json.loads(done.stdout)["message"])

    def test_absolute_places_are_all_that_is_needed(self):
        done = self.call(["--run-dir", "/nowhere/run", "status"])
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertNotIn("working directory", done.stderr)
        done = self.call(["--run-dir", "/nowhere/run", "log", "verify", "here"])
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("here is no directory", done.stderr)
        self.assertEqual(self.call(["--help"]).returncode, 0)


class Links(SystemTest):
    """A script is the same one by whatever link it is called."""

    def test_each_script_is_found_through_links(self):
        system = self.new_system()
        home = system.home / "links"
        home.mkdir()
        (home / "directory").symlink_to(SCRIPTS)
        for script in sorted([*SCRIPTS.glob("*.sh"), SCRIPTS / "read_log.py"]):
            (home / script.name).symlink_to(script)
            (home / f"again-{script.name}").symlink_to(script.name)
            for words in ([home / script.name], [home / f"again-{script.name}"],
                          [home / "directory" / script.name], [f"again-{script.name}"],
                          ["/bin/sh", "-c", f'exec "./again-{script.name}" "$@"', "sh"]):
                done = subprocess.run(
                    [*words, "--help"], cwd=home, capture_output=True, text=True, check=False,
                    stdin=subprocess.DEVNULL, timeout=60,
                    env=system.environment | {"PATH": f"{home}:{os.environ['PATH']}"})
                self.assertEqual((done.returncode, done.stderr), (0, ""), words)
                self.assertIn("sage:", done.stdout, words)

    def test_each_script_begins_alike(self):
        head = re.search(r"^# (#!.*)\n#(\[\[ .*)$", (SCRIPTS / "parts" / "surroundings.sh")
                         .read_text(encoding="utf-8"), re.M)
        for script in [*SCRIPTS.glob("*.sh"), *(SCRIPTS / "checks").glob("*.sh")]:
            lines = script.read_text(encoding="utf-8").splitlines()
            self.assertEqual((lines[0], lines[2]), head.groups(), script)


class Callers(SystemTest):
    """One running system, called by users with odd surroundings."""

    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.addClassCleanup(cls.system.stop)
        cls.system.start("1:Phone:1000")

    def call(self, name, *words, cwd=None, **variables):
        return subprocess.run([SCRIPTS / name, *words], cwd=cwd or self.system.home, text=True,
                              env=self.system.environment | variables, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=120, check=False)

    def test_modules_and_programs_of_the_working_directory_are_not_run(self):
        place = self.system.home / "place"
        place.mkdir()
        for module in MODULES:
            (place / f"{module}.py").write_text(TRAP, encoding="ascii")
        startup = place / "startup.sh"
        startup.write_text("echo run from outside >&2; exit 1\n", encoding="ascii")
        for program in ("sed", "python3", "stat", "grep", "lib.sh"):
            (place / program).write_text("#!/bin/sh\necho run from outside >&2; exit 1\n",
                                         encoding="ascii")
            (place / program).chmod(0o755)
        odd = {"PYTHONPATH": str(place), "PYTHONSTARTUP": str(place / "json.py"),
               "PYTHONHOME": str(place), "BASH_ENV": str(startup), "ENV": str(startup),
               "PATH": ".:" + self.system.environment["PATH"],
               "BASH_FUNC_cd%%": "() { echo run from outside >&2; exit 1; }"}
        for words in (["start_all.sh"], ["status.sh"], ["sql.sh", "-e", "select 1"]):
            done = self.call(*words, cwd=place, **odd)
            said = done.stdout + done.stderr
            self.assertNotIn("run from outside", said)
            self.assertEqual(done.returncode, 0, said)

    def test_settings_of_the_callers_shell_have_no_effect(self):
        odd = {"CDPATH": ".", "GLOBIGNORE": "*", "SHELLOPTS": "noglob:nounset:posix:xtrace",
               "BASHOPTS": "nocasematch:failglob", "POSIXLY_CORRECT": "1", "IFS": "0/:",
               "GREP_OPTIONS": "-v", "LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE.UTF-8", "TMOUT": "1",
               "PYTHONOPTIMIZE": "2", "PYTHONIOENCODING": "utf-16", "COLUMNS": "1"}
        for words in (["status.sh"], ["sql.sh", "-N", "-e", "select 1"], ["start_all.sh"]):
            done = self.call("./" + words[0], *words[1:], cwd=SCRIPTS, **odd)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_output_that_cannot_be_written_is_a_failure(self):
        reports = ("log dump", "--json log dump", "verify --wait 5s", "status", "--json status",
                   "item list", "log verify", "log replay --dry-run", "--help", "--version",
                   "log dump --help", "chaos list")
        for report in reports:
            for way in ">/dev/full", ">&-":
                with self.subTest(report, way=way):
                    done = subprocess.run(
                        ["/bin/sh", "-c", f'exec "$0" "$@" {way}', BINARY, "--run-dir",
                         str(self.system.run), *report.split()], env=self.system.environment,
                        stderr=subprocess.PIPE, text=True, timeout=60, check=False)
                    self.assertEqual(done.returncode, 74, done.stderr)
                    self.assertRegex(done.stderr, "output is not whole: (No space|Bad file)")
        for script in ("status.sh", "sql.sh --help", "sql.sh -N -e 'select 1'",
                       f"read_log.py {self.system.run}/commandlog", "stop_all.sh --help"):
            for way in ">/dev/full", ">&-":
                done = subprocess.run(["/bin/sh", "-c", f"{SCRIPTS}/{script} {way}"], text=True,
                                      env=self.system.environment, stderr=subprocess.PIPE,
                                      timeout=60, check=False)
                self.assertNotEqual(done.returncode, 0, (script, way))
                self.assertNotEqual(done.stderr, "", (script, way))
                self.assertNotIn("Traceback", done.stderr, (script, way))

    def test_an_order_whose_answer_nobody_could_read_is_found_again(self):
        """1 would say that the answer is an error code; the id is what it is asked for with."""
        done = subprocess.run(["/bin/sh", "-c", 'exec "$0" "$@" >/dev/full', BINARY, "--run-dir",
                               str(self.system.run), "order", "1", "--user", "ann"],
                              env=self.system.environment, stderr=subprocess.PIPE, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 74, done.stderr)
        name = re.search("stampede order show ([0-9A-Za-z_-]+)", done.stderr)[1]
        found = self.system.stampede("order", "show", name)
        self.assertIn("state confirmed", found.stdout)

    def test_an_item_that_is_there_keeps_its_stock(self):
        for stock in 1000, 5:
            done = self.call("start_all.sh", "--item", f"1:Phone:{stock}")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("of 1000 units left", done.stdout)
        must(self.system.stampede("item", "set", "1", "--name", "Mug"), "item set")
        done = self.call("start_all.sh", "--item", "1:Phone:5")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, "item +1 is there as 'Mug' and stays so, .* of 1000 units")
        must(self.system.stampede("item", "set", "1", "--name", "Phone"), "item set")
        self.assertEqual(len(self.system.pids()), 4)

    def test_numbers_are_decimal_and_never_wrap(self):
        for words in (["item", "add", "010", "--name", "n", "--stock", "1"],
                      ["item", "add", "7", "--name", "n", "--stock", "0x10"],
                      ["order", "1", "--user", "u", "--qty", "01"]):
            done = self.system.stampede(*words)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn("no whole number", done.stderr)
        for item in "18446744073709551617:Wrapped:5", "7:Much:18446744073709551621":
            done = self.call("start_all.sh", "--item", item)
            self.assertEqual(done.returncode, 1, done.stdout)
        must(self.call("start_all.sh", "--item", "0012:Octal:010"), "start_all.sh")
        items = json.loads(self.system.stampede("--json", "item", "list").stdout)["items"]
        self.assertEqual([(row["item"], row["left"]) for row in items if row["item"] != 1],
                         [(12, 10)])


class Ends(SystemTest):
    def test_nodes_are_found_again_when_their_lock_files_were_taken_away(self):
        system = self.start_system("1:Phone:50")
        nodes = {name: pid for name, pid in system.pids().items() if name != "supervisor-1"}
        for path in system.run.glob("*.lock"):
            path.unlink()
        before = system.pid("supervisor-1")
        system.kill9("supervisor-1")  # its guard starts another one
        self.assertTrue(eventually(
            lambda: system.stampede("health").returncode == 0
            and system.pid("supervisor-1") != before, 30))
        self.assertEqual({name: pid for name, pid in system.pids().items() if name in nodes}, nodes)
        self.assertEqual(system.stampede("order", "1", "--user", "u").returncode, 0)

    def test_a_start_whose_reader_goes_away_takes_back_what_it_began(self):
        for lines in 1, 3:
            system = self.new_system()
            done = subprocess.run(
                ["/bin/bash", "-c", f'"$0" --item 1:Phone:5 | head -{lines}; exit $PIPESTATUS',
                 SCRIPTS / "start_all.sh"], env=system.environment, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=120, check=False)
            self.assertNotEqual(done.returncode, 0, done.stdout)
            self.assertTrue(eventually(lambda: not system.processes(), 10), system.processes())

    def test_what_runs_is_found_without_lock_files_and_notes(self):
        system = self.start_system()
        for pattern in "*.lock", "*.pid", "db/*.pid":
            for path in system.run.glob(pattern):
                path.unlink()
        nodes = {name: pid for name, pid in system.pids().items() if name != "supervisor-1"}
        guard = next(pid for pid, line in system.processes().items() if "--guard" in line)
        system.signal(guard, signal.SIGKILL)
        system.kill9("supervisor-1")
        done = system.script("stop_all.sh", "--keep-db")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse([name for name, pid in nodes.items() if is_alive(pid)], done.stdout)
        done = system.stampede("log", "replay", "--all")  # the database is still there
        self.assertEqual(done.returncode, 0, done.stderr)
        done = system.script("stop_all.sh", "--now")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(system.processes(), {})
        done = system.stampede("log", "replay", "--all")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("start_all.sh --db-only", done.stderr)
        done = system.script("start_all.sh", "--db-only")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(system.stampede("log", "replay", "--all").returncode, 0)
        done = system.script("stop_all.sh")
        self.assertEqual((done.returncode, system.processes()), (0, {}), done.stderr)

    def test_a_start_that_fails_takes_back_what_it_began(self):
        system = self.new_system()
        with socket.socket() as other:
            other.bind(("127.0.0.1", system.http_port))
            other.listen()
            done = system.try_start("--item", "1:Phone:5")
            self.assertEqual(done.returncode, 6, done.stderr)
            self.assertEqual(system.processes(), {})
        self.assertFalse((system.run / "stampede.toml").exists())
        # Nodes and database were begun when this is found out.
        done = system.try_start("--item", "1:Phone:" + "9" * 30)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertTrue(eventually(lambda: not system.processes(), 10), system.processes())
        self.assertFalse((system.run / "stampede.toml").exists())
        done = system.try_start("--db", "mysql://nobody@127.0.0.1:1/none")
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertFalse((system.run / "stampede.toml").exists())
        self.assertEqual(system.processes(), {})


if __name__ == "__main__":
    unittest.main(verbosity=2)
