#!/usr/bin/python3
"""The private database of scripts/parts/private_db.sh: starts, survives, is found again, ends."""

import os
import signal
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("STAMPEDE_")}
ENVIRONMENT |= {key: value for key, value in os.environ.items() if key == "STAMPEDE_TEST_RUN"}


class PrivateDatabase(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(dir="/tmp")
        self.addCleanup(scratch.cleanup)
        self.run_dir = Path(scratch.name) / "run dir"
        self.addCleanup(self.shell, "db_stop")

    def shell(self, commands):
        script = (f"set -euo pipefail; source '{PROJECT}/scripts/parts/lib.sh'; "
                  f"source '{PROJECT}/scripts/parts/private_db.sh'; {commands}")
        environment = ENVIRONMENT | {"STAMPEDE_RUN_DIR": str(self.run_dir)}
        done = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, text=True,
                              timeout=120, env=environment, check=False)
        self.assertEqual(done.returncode, 0)
        return done.stdout.strip()

    def as_node(self, sql):
        """Runs SQL as the account of the nodes; returns the exit code of the client."""
        password = (self.run_dir / "db.password").read_text(encoding="utf-8").strip()
        return subprocess.run(
            ["mariadb", "--no-defaults", "--user=stampede",
             f"--socket={self.run_dir}/db/mysql.sock", "stampede", "-e", sql],
            env=ENVIRONMENT | {"MYSQL_PWD": password}, capture_output=True, check=False).returncode

    def test_starting_twice_gives_one_server_that_outlives_the_script(self):
        first = self.shell("db_start; db_pid")
        self.assertEqual(self.shell("db_start; db_pid"), first)
        self.assertEqual(self.shell("db_stop; db_pid"), "")
        self.assertEqual(self.shell(f"start_time {first}"), "")

    def test_the_nodes_may_read_and_write_rows_and_nothing_else(self):
        self.shell("db_start; echo 'CREATE TABLE stampede.t (id INT PRIMARY KEY)' | db_admin")
        self.assertEqual(self.as_node("INSERT INTO t VALUES (1); UPDATE t SET id = 2"), 0)
        self.assertNotEqual(self.as_node("DELETE FROM t"), 0)
        self.assertNotEqual(self.as_node("CREATE TABLE u (id INT)"), 0)
        self.assertNotEqual(self.as_node("DROP TABLE t"), 0)

    def test_its_secrets_are_for_the_owner_alone(self):
        self.shell("db_start")
        for name, mode in (("db.password", 0o600), ("db", 0o700)):
            self.assertEqual(stat.S_IMODE((self.run_dir / name).stat().st_mode), mode, name)

    def test_rows_survive_a_kill_and_the_password_stays(self):
        self.shell("db_start; echo 'CREATE TABLE stampede.t (id INT)' | db_admin")
        pid = int(self.shell("db_pid"))
        self.assertEqual(self.as_node("INSERT INTO t VALUES (7)"), 0)
        password = (self.run_dir / "db.password").read_text(encoding="utf-8")
        os.kill(pid, signal.SIGKILL)
        self.assertNotEqual(self.shell("db_start; db_pid"), str(pid))
        self.assertEqual((self.run_dir / "db.password").read_text(encoding="utf-8"), password)
        self.assertEqual(self.as_node("UPDATE t SET id = 8 WHERE id = 7"), 0)

    def test_it_listens_on_no_network(self):
        self.shell("db_start")
        shown = self.shell("echo 'SELECT @@skip_networking' | db_admin")
        self.assertEqual(shown.split(), ["@@skip_networking", "1"])


if __name__ == "__main__":
    unittest.main()
