#!/usr/bin/python3
"""What the scripts say and refuse before they start anything."""

import fcntl
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
SCRIPTS = PROJECT / "scripts"
SOURCED = ("parts/lib.sh", "parts/private_db.sh", "parts/chaos.sh")
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("STAMPEDE_")}


def run(name, *arguments, cwd="/", **variables):
    return subprocess.run([SCRIPTS / name, *arguments], cwd=cwd, env=ENVIRONMENT | variables,
                          capture_output=True, text=True, timeout=60, check=False)


class EveryScript(unittest.TestCase):
    def test_explains_itself_from_any_directory(self):
        for path in sorted(SCRIPTS.glob("*.sh")):
            with self.subTest(path.name):
                done = run(path.name, "--help")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("Usage: scripts/" + path.name, done.stdout)
                self.assertIn("Exit:", done.stdout)

    def test_the_help_of_the_chaos_scripts_says_their_own_defaults(self):
        for name, times in ("monkey", 20), ("kill_actor", 1), ("crash_points", 1), ("kill_db", 3):
            told = run(f"chaos_{name}.sh", "--help").stdout
            self.assertEqual(re.findall(r"default \d+\)", told), [f"default {times})"], name)

    def test_what_is_sourced_cannot_be_run(self):
        for name in SOURCED:
            self.assertFalse(os.access(SCRIPTS / name, os.X_OK), name)

    def test_refuses_what_it_does_not_know_with_2(self):
        for name in ("start_all.sh", "stop_all.sh", "install_deps.sh", "test.sh", "bench.sh",
                     "demo.sh", "chaos_kill_backend.sh", "chaos_kill_actor.sh",
                     "checks/check_format.sh"):
            with self.subTest(name):
                done = run(name, "--nonsense")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("--nonsense", done.stderr)

    def test_stands_in_the_contract_list(self):
        for name in ("install_deps start_all stop_all status sql demo test bench "
                     "chaos_kill_backend chaos_kill_broker chaos_kill_webapp "
                     "chaos_kill_actor").split():
            self.assertTrue(os.access(SCRIPTS / (name + ".sh"), os.X_OK), name)


class StartAndStop(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.run_dir = self.scratch.name + "/run dir"

    def start(self, *arguments):
        return run("start_all.sh", *arguments, STAMPEDE_RUN_DIR=self.run_dir)

    def test_wrong_wishes_are_refused_before_anything_starts(self):
        for arguments, code, words in (
                (["--item", "1:Phone"], 2, "ID:NAME:STOCK"),
                (["--item"], 2, "needs a value"),
                (["--nodes", "shop=1"], 2, "webapp=1,broker=1,backend=1"),
                (["--db", "postgres://a@b/c"], 2, "mysql://"),
                (["--fresh", "--db", "mysql://a@b/c"], 6, "never moved"),
                (["--wait", "long"], 2, "seconds")):
            with self.subTest(arguments):
                done = self.start(*arguments)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(words, done.stderr)
        self.assertFalse(Path(self.run_dir).exists())

    def test_a_path_too_long_for_sockets_is_refused(self):
        done = run("start_all.sh", STAMPEDE_RUN_DIR=self.scratch.name + "/x" * 50)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("too long", done.stderr)

    def test_stopping_nothing_is_fine(self):
        done = run("stop_all.sh", STAMPEDE_RUN_DIR=self.run_dir)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("nothing runs", done.stdout)

    def test_stopping_a_system_without_a_process_complains_of_nothing(self):
        Path(self.run_dir).mkdir()
        done = run("stop_all.sh", STAMPEDE_RUN_DIR=self.run_dir)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_status_of_nothing_says_how_to_start(self):
        done = run("status.sh", STAMPEDE_RUN_DIR=self.run_dir)
        self.assertEqual(done.returncode, 3)
        self.assertIn("start_all.sh", done.stderr)

    def test_a_stale_process_file_is_not_believed(self):
        Path(self.run_dir).mkdir()
        (Path(self.run_dir) / "guard.pid").write_text(f"{os.getpid()} 1\n", encoding="utf-8")
        done = run("stop_all.sh", STAMPEDE_RUN_DIR=self.run_dir)
        self.assertEqual(done.returncode, 0, done.stderr)  # and this test still lives
        self.assertIn("nothing runs", done.stdout)


class Settings(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.file = scratch.name + "/stampede.toml"

    def settings(self, *arguments, **variables):
        return run("parts/settings.py", self.file, *arguments, **variables)

    def test_what_is_set_is_read_back_with_its_type(self):
        self.settings("set", "db.url=mysql://a@b/c\"d", "net.port_base=7300", "dev=true")
        text = Path(self.file).read_text(encoding="utf-8")
        self.assertIn("port_base = 7300\n", text)
        self.assertIn("dev = true\n", text)
        self.assertEqual(self.settings("get", "db.url").stdout, "mysql://a@b/c\"d\n")

    def test_what_is_a_text_to_the_program_stays_one(self):
        shown = Path(self.file).parent / "shown.json"
        shown.write_text('{"keys":[{"key":"log.dir","value":"commandlog"},'
                         '{"key":"net.port_base","value":7100}]}', encoding="utf-8")
        self.settings("set", "--like", shown, "log.dir=2026", STAMPEDE_NET__PORT_BASE="7300")
        text = Path(self.file).read_text(encoding="utf-8")
        self.assertIn('dir = "2026"\n', text)
        self.assertIn("port_base = 7300\n", text)

    def test_what_the_file_holds_is_kept_unless_removed(self):
        Path(self.file).write_text("[log]\ndir = 'x'\n[net]\nmode = 'tcp'\n", encoding="utf-8")
        self.settings("set", "net.mode=")
        self.assertEqual(self.settings("get", "log.dir").stdout, "x\n")
        self.assertEqual(self.settings("get", "net.mode", "ipc").stdout, "ipc\n")

    def test_the_environment_is_kept_and_beats_the_file(self):
        self.settings("set", "net.port_base=1")
        variables = {"STAMPEDE_NET__PORT_BASE": "7400", "STAMPEDE_RUN_DIR": "/x"}
        self.assertEqual(self.settings("get", "net.port_base", **variables).stdout, "7400\n")
        self.settings("set", **variables)
        self.assertEqual(self.settings("get", "net.port_base").stdout, "7400\n")
        self.assertNotIn("run_dir", Path(self.file).read_text(encoding="utf-8").lower())

    def test_of_a_running_system_what_it_accepted_is_read(self):
        run_dir = Path(self.file).parent
        (run_dir / "config.accepted.toml").write_text("[log]\ndir = 'x'\n", encoding="utf-8")
        Path(self.file).write_text("[log]\ndir = 'y'\n", encoding="utf-8")
        self.assertEqual(self.settings("get", "log.dir").stdout, "y\n")
        with (run_dir / "broker-1.lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assertEqual(self.settings("get", "log.dir").stdout, "x\n")
            other = self.settings("get", "log.dir", STAMPEDE_LOG__DIR="z", STAMPEDE_DB__LANES="3")
            self.assertEqual((other.stdout, other.stderr),
                             ("x\n", "settings.py: STAMPEDE_LOG__DIR is passed over: the system "
                              "runs with log.dir = x\n"))
            other = self.settings("get", "db.url", STAMPEDE_DB__URL="mysql://a@b/c")
            self.assertEqual((other.stdout, other.stderr.count("\n")), ("\n", 1))
            Path(self.file).write_text("[[[", encoding="utf-8")
            self.assertEqual(self.settings("get", "log.dir").stdout, "x\n")

    def test_a_file_that_is_no_toml_is_named(self):
        Path(self.file).write_text("[[[", encoding="utf-8")
        done = self.settings("get", "dev")
        self.assertEqual(done.returncode, 1)
        self.assertIn(self.file, done.stderr)


if __name__ == "__main__":
    unittest.main()
