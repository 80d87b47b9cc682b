#!/usr/bin/python3
"""One writer to a log and to a database; refusals that wait for the operator; refused starts."""

import contextlib
import shutil
import signal
import socket
import time
import unittest

from buyers import Crowd
from by_hand import (GIVE_FREE, Backend, copy_of, end_database, epoch_of, is_alive, log_dir, must,
                     start, start_database, state_of, stop_nodes, wait_end, wait_outcomes_logged,
                     waits_for_operator)
from database_test import Sale
from system import SystemTest, eventually

from stampede import Client, OutcomeUnknown


class OneWriter(SystemTest):
    def test_a_second_backend_on_one_log_ends_with_75_and_touches_nothing(self):
        system = self.start_system("1:Phone:100")
        with Client(system.zmq) as client:
            self.sell_first(system, client)
            wait_outcomes_logged(system)
            pids, files = system.pids(), state_of(log_dir(system))
            lanes = system.sql("SELECT * FROM lane")
            other = system.home / "other"
            rivals = {"another index": dict(arguments=("--index", "2")),
                      "the same index": dict(arguments=()),
                      "another run directory": dict(arguments=(), run=other)}
            for name, rival in rivals.items():
                with self.subTest(name):
                    self.rival(system, **rival)
                    self.assertEqual(state_of(log_dir(system)), files)
                    self.assertEqual(system.sql("SELECT * FROM lane"), lanes)
            self.assertEqual(system.pids(), pids)
            self.assertTrue(client.order(1, "ann").confirmed)
        system.verify()

    def backend(self, system, log, arguments=(), run=None):
        """One more backend on the system's database, maybe in a run directory of its own."""
        url = f"mysql://stampede@localhost/stampede?socket={system.run}/db/mysql.sock"
        return Backend(system, *arguments, run=run, STAMPEDE_LOG__DIR=str(log),
                       STAMPEDE_DB__URL=url,
                       STAMPEDE_DB__PASSWORD_FILE=str(system.run / "db.password"))

    def rival(self, system, **how):
        begin = time.monotonic()
        with self.backend(system, log_dir(system), **how) as backend:
            self.assertEqual(backend.wait(), 75, backend.text())
            self.assertRegex(backend.text(), r"exit 75: .*(held by|runs already|is running)")
        self.assertLess(time.monotonic() - begin, 5)

    def test_a_backend_that_stood_still_is_replaced_and_never_writes_again(self):
        system = self.start_system("1:Phone:1000000")
        with Crowd(system.zmq) as crowd:
            sale = Sale(crowd, 1, "s")
            self.assertTrue(eventually(lambda: len(crowd.confirmed()) > 300))
            old = system.pid("backend-1")
            system.signal(old, signal.SIGSTOP)
            system.wait_back("backend-1", old)  # its heartbeats are missed, it is killed
            system.signal(old, signal.SIGCONT)
            self.assertFalse(is_alive(old))
            self.assertIn("no heartbeat", system.node("backend-1")["last_exit"])
            sold = len(crowd.confirmed())
            self.assertTrue(eventually(lambda: len(crowd.confirmed()) > sold + 300))
            self.assertTrue(sale.stop(), f"{crowd.open()} orders without a final answer")
            self.assertTrue(crowd.ask_all_again(), crowd.faults[:3])
            self.assertEqual(crowd.faults, [])
            self.assertEqual(system.verify()["rows"], len(crowd.confirmed()))

    def test_a_deposed_backend_is_fenced_by_the_database(self):
        """The log was copied, the database was given free and another backend runs on the copy,
        unseen by this system's broker: only the lanes' rows keep the old one from writing."""
        system = self.start_system("1:Phone:1000")
        with Client(system.zmq) as client:
            self.sell_first(system, client)
            old = system.pid("backend-1")
            copy = copy_of(log_dir(system), "copied")
            system.sql(GIVE_FREE)
            with self.backend(system, copy, run=system.home / "other") as rival:
                self.assertTrue(rival.wait_for("database claimed"), rival.text())
                rows = system.sql("SELECT * FROM orders")
                with contextlib.suppress(OutcomeUnknown):  # an idle lane may look before
                    client.order(1, "bob", request_id="late", timeout=5)
                wait_end(old, 20)
                self.assertEqual(system.sql("SELECT * FROM orders"), rows)
                self.assertRegex(waits_for_operator(system, "backend-1"),
                                 r"^exit 75: .*belongs to epoch")
                self.assertIn("waiting_operator", system.stampede("status").stdout)
                self.assertEqual(rival.stop(), 0)

    def test_a_second_backend_with_a_higher_epoch_takes_the_orders_over(self):
        """The same, seen by the broker: it listens to the highest epoch alone."""
        system = self.start_system("1:Phone:1000")
        with Client(system.zmq) as client:
            first = client.order(1, "ann", request_id="first")
            system.verify()
            copy = copy_of(log_dir(system), "copied")
            system.sql(GIVE_FREE)
            with self.backend(system, copy, ("--index", "2")) as rival:
                self.assertTrue(rival.wait_for("database claimed"), rival.text())
                late = client.order(1, "bob", request_id="late", timeout=20)
                self.assertGreater(epoch_of(late.order_id), epoch_of(first.order_id))
                stored = lambda: client.get("late").stored
                self.assertTrue(eventually(stored), rival.text())
                self.assertEqual(rival.stop(), 0)
        self.assertEqual(system.sql("SELECT request_id FROM orders ORDER BY order_id"),
                         [["first"], ["late"]])

    def sell_first(self, system, client):
        self.assertTrue(client.order(1, "ann", request_id="first").confirmed)
        system.verify()

    def refused_copy(self, system, copy, words):
        """It changes nothing, also when it is tried again."""
        files, lanes = state_of(copy), system.sql("SELECT lane, epoch, owner, place FROM lane")
        for _ in range(2):
            with self.backend(system, copy, run=system.home / "other") as rival:
                self.assertEqual(rival.wait(), 75, rival.text())
                self.assertRegex(rival.text(), words)
            self.assertEqual(state_of(copy), files)
            self.assertEqual(system.sql("SELECT lane, epoch, owner, place FROM lane"), lanes)

    def test_a_copy_of_the_log_is_refused_whether_the_original_runs_or_not(self):
        system = self.start_system("1:Phone:100")
        with Client(system.zmq) as client:
            self.sell_first(system, client)
            running = copy_of(log_dir(system), "of-the-running")
            self.refused_copy(system, running, "another file system.*log replay --all")
            stop_nodes(system)
            stopped = copy_of(log_dir(system), "of-the-stopped")
            self.refused_copy(system, stopped, "another file system.*log replay --all")
            system.sql("UPDATE lane SET place = 0")  # a file system that does not tell ages
            start(system)
            system.sql("UPDATE lane SET place = 0")
            self.refused_copy(system, stopped, "is owned by epoch .*log replay --all")
            self.assertTrue(client.order(1, "bob").confirmed)
        self.assertEqual(system.verify()["rows"], 2)

    def test_a_copy_does_not_sell_while_the_database_is_away(self):
        """Nobody could tell it that the original sells."""
        system = self.start_system("1:Phone:100")
        with Client(system.zmq) as client:
            self.sell_first(system, client)
            copies = {"fresh": copy_of(log_dir(system), "copied"),
                      "older than the log's end": copy_of(log_dir(system), "two-passes")}
            self.assertTrue(client.order(1, "ann", request_id="after-the-first-pass").confirmed)
            wait_outcomes_logged(system)
            shutil.copytree(log_dir(system), copies["older than the log's end"],
                            dirs_exist_ok=True)
            for name, copy in copies.items():
                with self.subTest(name):
                    self.copy_waits(system, client, copy)
        self.assertEqual(system.verify()["rows"], 4)

    def copy_waits(self, system, client, copy):
        files = state_of(copy)
        end_database(system)
        with self.backend(system, copy, run=system.home / "other") as rival:
            self.assertTrue(rival.wait_for("the start waits for the database"), rival.text())
            self.assertTrue(client.order(1, "bob", request_id=copy.name).confirmed)
            start_database(system)
            self.assertEqual(rival.wait(), 75, rival.text())
            self.assertIn("it is a copy", rival.text())
        self.assertEqual(state_of(copy), files)

    def test_a_log_directory_that_was_moved_sells_without_the_database(self):
        """Within its file system it stays the one in which the log was written."""
        system = self.start_system("1:Phone:100")
        with Client(system.zmq) as client:
            self.sell_first(system, client)
            stop_nodes(system)
            end_database(system)
            log_dir(system).rename(system.home / "moved")
            with self.backend(system, system.home / "moved") as backend:
                self.assertTrue(backend.wait_for("starting without the database"), backend.text())
                self.assertTrue(backend.wait_for("replay.done"), backend.text())
                backend.stop()

    def test_replay_all_is_the_word_that_a_copy_goes_on(self):
        system = self.start_system("1:Phone:100")
        with Client(system.zmq) as client:
            self.sell_first(system, client)
        stop_nodes(system)
        copy = copy_of(log_dir(system), "copied")
        self.refused_copy(system, copy, "log replay --all")
        must(system.stampede("log", "replay", "--all", STAMPEDE_LOG__DIR=str(copy)), "replay")
        with Backend(system) as original:
            self.assertEqual(original.wait(), 75, original.text())
            self.assertIn("another file system", original.text())
        original = log_dir(system)
        original.rename(system.home / "original")
        copy.rename(original)  # the same directory, moved
        start(system)
        self.assertEqual(system.verify()["rows"], 1)

    def test_a_backend_with_an_older_epoch_than_the_database_is_refused(self):
        system = self.start_system("1:Phone:10")
        system.verify()
        stop_nodes(system)
        system.sql("UPDATE lane SET epoch = epoch + 5")
        with Backend(system) as backend:
            self.assertEqual(backend.wait(), 75, backend.text())
            self.assertIn("is owned by epoch", backend.text())
        # Which of the two is right only the operator knows; he says so here.
        system.sql("UPDATE lane SET epoch = 0")
        start(system)
        system.verify()


class Refusals(SystemTest):
    """Starts that cannot succeed say what is wrong, where, and what is allowed."""

    def refused(self, system, code, *arguments, words=(), **environment):
        done = system.stampede(*arguments, timeout=30, **environment)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        for word in words:
            self.assertIn(word, done.stdout + done.stderr)

    def test_configuration_errors_name_file_line_and_key(self):
        system = self.new_system()
        system.run.mkdir(parents=True)
        file = system.run / "stampede.toml"
        cases = (("[db]\nlanes = 0\n", "2:", "db.lanes", "from 1 to 64"),
                 ("[log]\nsegment_byte = 1\n", "2:", "log.segment_byte", "unknown"),
                 ("[log]\n\nsync = \"never\"\n", "3:", "log.sync", "always"),
                 ("[net]\nbind = \"0.0.0.0\"\n", "2:", "net.bind", "127.x.y.z"),
                 ("[db\n", "1:", "", ""))
        for text, line, key, allowed in cases:
            with self.subTest(text):
                file.write_text(text, encoding="ascii")
                words = (f"{file}:{line}", key, allowed)
                for node in ("backend", "webapp", "broker", "supervisor"):
                    self.refused(system, 78, node, words=words)
                # Who only looks says so and goes on: nobody answers (7), there is no log (2).
                for code, tool in ((7, ("status",)), (2, ("order", "1", "--user", "ann")),
                                   (2, ("log", "verify"))):
                    self.refused(system, code, *tool, words=words)
        file.write_text("", encoding="ascii")
        self.refused(system, 78, "backend", words=("STAMPEDE_DB__LANES", "from 1 to 64"),
                     STAMPEDE_DB__LANES="many")
        self.refused(system, 78, "backend", words=("nowhere",), STAMPEDE_FAILPOINTS="nowhere")

    def test_a_busy_port_is_named_with_what_to_do(self):
        system = self.new_system()
        with socket.create_server(("127.0.0.1", system.http_port)):
            done = system.try_start()
            self.assertEqual(done.returncode, 6)
            self.assertIn(f"port {system.http_port}", done.stderr)
            self.assertIn("STAMPEDE_WEBAPP__HTTP", done.stderr)
            self.refused(system, 6, "webapp", words=(str(system.http_port),))
        with socket.create_server(("127.0.0.1", system.base + 1)):
            done = system.try_start()
            self.assertEqual(done.returncode, 6)
            self.assertIn(f"port {system.base + 1}", done.stderr)
            self.assertIn("STAMPEDE_NET__PORT_BASE", done.stderr)
            self.refused(system, 6, "webapp", words=(str(system.base + 1),))
        system.start("1:Phone:1")
        system.verify()

    def test_an_unreachable_database_is_waited_for_by_the_first_start_and_named(self):
        system = self.new_system()
        url = f"mysql://stampede@localhost/stampede?socket={system.home}/no.sock"
        with Backend(system, STAMPEDE_DB__URL=url) as backend:
            self.assertTrue(backend.wait_for("first start waits for the database"),
                            backend.text())
            self.assertIn("no.sock", backend.text())
            self.assertEqual(state_of(log_dir(system)) or {}, {})
            self.assertEqual(backend.stop(), 0, backend.text())

    def test_a_first_start_without_a_schema_waits_for_the_operator_and_status_says_what_to_do(self):
        system = self.start_system()
        system.sql("RENAME TABLE schema_version TO elsewhere")
        shutil.rmtree(log_dir(system))
        system.kill9("backend-1")
        self.assertRegex(waits_for_operator(system, "backend-1"),
                         r"^exit 78: .*stampede migrate up")
        restarts = system.node("backend-1")["restarts"]
        done = system.stampede("health", "--wait", "1s")
        self.assertEqual((done.returncode, "exit 78" in done.stdout), (3, True), done.stdout)
        self.assertIn("backend-1 waits for you", system.stampede("status").stdout)
        self.assertEqual(system.node("backend-1")["restarts"], restarts)
        system.sql("RENAME TABLE elsewhere TO schema_version")
        stop_nodes(system)
        system.sql("DELETE FROM meta")
        start(system)
        system.verify()


if __name__ == "__main__":
    unittest.main(verbosity=2)
