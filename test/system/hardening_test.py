#!/usr/bin/python3
"""What is left to somebody who got in: how the program was built, what its processes may dump, what
its database user may do, and that texts stay texts all the way."""

import json
import subprocess
import unittest
import urllib.request
from pathlib import Path

from system import BINARY, System, SystemTest, eventually

from stampede import Client, StampedeError

FORBIDDEN = (
    "DELETE FROM orders", "DELETE FROM item", "TRUNCATE orders", "DROP TABLE orders",
    "DROP DATABASE stampede", "CREATE TABLE x (a INT)", "CREATE DATABASE x",
    "ALTER TABLE orders ADD COLUMN x INT", "ALTER TABLE item DROP CONSTRAINT CONSTRAINT_1",
    "CREATE INDEX x ON orders (qty)", "CREATE VIEW x AS SELECT 1", "CREATE USER x",
    "GRANT ALL ON *.* TO CURRENT_USER", "SELECT * FROM mysql.user",
    "SELECT * FROM orders INTO OUTFILE '/tmp/stampede_out'", "SELECT LOAD_FILE('/etc/passwd') x",
    "SET GLOBAL sql_mode = ''", "SET GLOBAL read_only = 1", "SHUTDOWN",
    "CREATE FUNCTION f() RETURNS INT RETURN 1", "RENAME TABLE orders TO x", "FLUSH TABLES",
    "CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW SET NEW.qty = 1",
    "CREATE EVENT e ON SCHEDULE EVERY 1 SECOND DO SELECT 1", "SHOW GRANTS FOR root@localhost",
    "LOCK TABLES orders WRITE",
)

TEXTS = ("'", "\"", "\\", "\\'", "' OR '1'='1", "'; DROP TABLE orders; -- ", "') -- ", "/*", "#",
         "%s", "%n%n", "${jndi:ldap://x}", "{{7*7}}", "$(id)", "`id`", "; ls", "../../etc/passwd",
         "<script>alert(1)</script>", "NULL", "0x00", "?", "a','b", "\\x00", "é", "日本語", "🐎",
         "\u202e rtl", "x' ON DUPLICATE KEY UPDATE qty=9 -- ", "' UNION SELECT 1,2,3 -- ",
         "\\'; DROP TABLE lane; -- ", " lead", "trail ", "/EOL/", "/DELIMITER/",
         "[EMIT]OrderInsert={}/EOL/")


class Binary(unittest.TestCase):
    """Of an ordinary build; an instrumented one is another program."""

    def elf(self, *flags):
        return subprocess.run(["readelf", *flags, "--wide", BINARY], capture_output=True, text=True,
                              check=True).stdout

    def setUp(self):
        if "__asan_init" in self.elf("--dyn-syms") or "__tsan_init" in self.elf("--dyn-syms"):
            self.skipTest("built with a sanitizer")

    def test_position_independent_read_only_and_not_executable_on_the_stack(self):
        self.assertRegex(self.elf("--file-header"), r"Type:\s+DYN")
        dynamic = self.elf("--dynamic")
        self.assertRegex(dynamic, r"FLAGS_1\)\s+Flags:.*\bNOW\b.*\bPIE\b")
        self.assertNotIn("TEXTREL", dynamic)
        self.assertNotIn("RUNPATH", dynamic)
        self.assertNotIn("RPATH", dynamic)
        segments = self.elf("--segments")
        self.assertIn("GNU_RELRO", segments)
        self.assertRegex(segments, r"GNU_STACK.*\sRW\s")
        self.assertNotRegex(segments, r"LOAD.*\sRWE\s")

    def test_canaries_and_checked_copies(self):
        symbols = self.elf("--dyn-syms")
        self.assertIn("__stack_chk_fail", symbols)
        self.assertRegex(symbols, r"__(mem|str|sprintf|snprintf|fprintf|printf|read|poll)\w*_chk")


class Running(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.system = System()
        cls.addClassCleanup(cls.system.stop)
        cls.system.start("1:Phone:100000")

    def setUp(self):
        self.addCleanup(self._show_logs_of_a_failure, self.system)

    def test_nodes_leave_no_core(self):
        for name, pid in self.system.pids().items():
            limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
            self.assertRegex(limits, r"Max core file size\s+0\s+0\s", name)
            mapped = Path(f"/proc/{pid}/coredump_filter").read_text(encoding="ascii")
            self.assertEqual(int(mapped, 16), 0, name)

    def test_files_are_their_owners_alone(self):
        for name, mode in (("sock", 0o700), ("admin.sock", 0o600), ("db.password", 0o600)):
            self.assertEqual((self.system.run / name).stat().st_mode & 0o777, mode, name)

    def test_the_nodes_database_user_may_read_insert_update_and_no_more(self):
        password = (self.system.run / "db.password").read_text(encoding="ascii").strip()
        self.assertGreaterEqual(len(FORBIDDEN), 20)
        command = ["mariadb", "--no-defaults", "-S", str(self.system.run / "db" / "mysql.sock"),
                   "-u", "stampede", "stampede", "-N", "-B", "-e"]

        def ask(statement):
            return subprocess.run([*command, statement], capture_output=True, text=True,
                                  env={"MYSQL_PWD": password, "PATH": "/usr/bin:/bin"}, check=False)
        self.assertGreaterEqual(int(ask("SELECT COUNT(*) FROM item").stdout), 1)
        self.assertEqual(ask("UPDATE lane SET batches = batches").returncode, 0)
        for statement in FORBIDDEN:
            with self.subTest(statement):
                done = ask(statement)
                if statement.startswith("SELECT LOAD_FILE"):  # no error, but nothing either
                    self.assertEqual(done.stdout, "NULL\n")
                else:
                    self.assertEqual(done.returncode, 1, done.stdout)
                    self.assertRegex(done.stderr, r"denied|command denied|only be used|privilege")
        self.system.verify()

    def test_texts_stay_texts_from_the_client_to_the_row(self):
        expected = {}
        with Client(self.system.zmq) as client:
            for number, text in enumerate(TEXTS):
                item = 100 + number
                added = self.system.stampede("item", "add", item, "--name", text, "--stock", 10)
                self.assertEqual(added.returncode, 0, added.stderr)
                self.assertTrue(client.order(item, text, request_id=f"z{number}").confirmed)
                expected[f"z{number}"] = (text, text)
                body = json.dumps({"item": item, "user": text, "id": f"h{number}"}).encode()
                asked = urllib.request.Request(f"{self.system.http}/v1/orders", body,
                                               {"Prefer": "wait=10"})
                with urllib.request.urlopen(asked, timeout=20) as answer:
                    self.assertEqual(json.loads(answer.read())["state"], "confirmed")
                expected[f"h{number}"] = (text, text)
                with self.assertRaises(StampedeError):
                    client.order(item, text + "\0", timeout=5)
            self.assertEqual({row.item: row.name for row in client.items() if row.item >= 100},
                             {100 + number: text for number, text in enumerate(TEXTS)})
        self.system.verify()
        rows = self.system.sql(
            "SELECT request_id, HEX(user_id), HEX(name) FROM orders JOIN item ON item.id = item_id "
            "WHERE item_id >= 100")
        self.assertEqual({row[0]: (bytes.fromhex(row[1]).decode(), bytes.fromhex(row[2]).decode())
                          for row in rows}, expected)
        self.assertTrue(eventually(lambda: self.system.number("SELECT COUNT(*) FROM orders") ==
                                   len(expected), 10))


if __name__ == "__main__":
    unittest.main(verbosity=2)
