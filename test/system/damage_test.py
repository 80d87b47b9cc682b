#!/usr/bin/python3
"""Damaged, cut and lost logs, emptied and foreign databases, with real backend starts.

A start either goes on with the longest valid prefix (a crash's torn end) or is refused with exit 65
and nothing is touched. Every byte and every bit is tried by the unit tests of the log; here a few
of each kind, through the whole node.
"""

import random
import signal
import time
import unittest

from buyers import Crowd, order
from by_hand import (GIVE_FREE, Backend, batches_of, copy_of, end_database, kill_nodes, log_dir,
                     must, replays, segments, start, state_of, stop_nodes, tables,
                     wait_end, waits_for_operator)
from system import SystemTest, eventually, seed

from stampede import Client


class TornEnd(SystemTest):
    """A log that ends with a batch of orders nobody was told of, and a database behind it."""

    def make_log(self, system):
        """Three stored orders; then the backend dies right after its last batch reached the file,
        before any other batch could vouch for it."""
        with Client(system.zmq) as client:
            for name in ("old-1", "old-2", "old-3"):
                self.assertTrue(client.order(1, "ann", request_id=name).confirmed)
        system.verify()
        stop_nodes(system)
        start(system, STAMPEDE_FAILPOINTS="after_write=kill@2")
        pids = system.pids()
        with Crowd(system.zmq, sockets=1) as crowd:
            crowd.greet()
            system.signal(pids["supervisor-1"], signal.SIGSTOP)  # no restart
            crowd.send([order("last", 1, "bob", 2)])
            wait_end(pids["backend-1"], 20)
        kill_nodes(system, pids)

    def test_a_log_cut_anywhere_in_its_last_batch_starts_with_what_is_before_it(self):
        system = self.start_system("1:Phone:100")
        self.make_log(system)
        last = segments(log_dir(system))[-1].name
        at, length = batches_of(log_dir(system) / last)[-1]
        before = system.report("log", "verify")["records"]
        offsets = [at, at + 1, at + 8, at + 71, at + 72, at + length // 2, at + length - 9,
                   at + length - 1]
        for number, cut in enumerate(offsets):
            with self.subTest(cut - at):
                copy = copy_of(log_dir(system), f"cut-{number}")
                if number % 2:
                    with open(copy / last, "r+b") as file:  # the file ends there
                        file.truncate(cut)
                else:
                    with open(copy / last, "r+b") as file:  # zeros from there on
                        file.seek(cut)
                        file.write(bytes(at + length - cut))
                self.check_prefix(system, copy, before - 1)
        # And uncut it is a whole batch that was written though nobody was told: it counts.
        system.sql(GIVE_FREE)
        start(system)
        with Client(system.zmq) as client:
            self.assertEqual(client.get("last").state, "confirmed")
            self.assertEqual(client.items(1)[0].left, 95)
        self.assertEqual(system.verify()["rows"], 4)

    def check_prefix(self, system, copy, records):
        cut = state_of(copy)
        system.sql(GIVE_FREE)  # each copy is a stranger to the one before
        with Backend(system, STAMPEDE_LOG__DIR=str(copy)) as backend:
            self.assertTrue(backend.wait_for("database claimed"), backend.text())
            self.assertEqual(replays(backend.text())[-1]["records"], records)
            self.assertEqual(backend.stop(), 0, backend.text())
        self.assertEqual({name: state_of(copy)[name] for name in cut if name.endswith(".seg")},
                         {name: cut[name] for name in cut if name.endswith(".seg")},
                         "the torn file was written to")
        report = system.report("log", "verify", copy)
        self.assertTrue(report["ok"], report)
        self.assertEqual((report["pending"], report["torn"]), (0, None))
        self.assertNotIn("last", system.stampede("log", "dump", copy).stdout)
        self.assertEqual(system.sql("SELECT request_id FROM orders ORDER BY order_id"),
                         [["old-1"], ["old-2"], ["old-3"]])


class Damage(SystemTest):
    def refused(self, system, *words, code=65, **environment):
        """A backend in the foreground that is refused with `code` and names all the words; nothing
        in its log directory has changed afterwards, nor in the database."""
        directory = environment.get("STAMPEDE_LOG__DIR") or log_dir(system)
        directory = type(log_dir(system))(directory)
        files, rows = state_of(directory), self.all_of_the_database(system)
        with Backend(system, **environment) as backend:
            self.assertEqual(backend.wait(), code, backend.text())
            for word in words:
                self.assertIn(word, backend.text())
        self.assertEqual(state_of(directory), files, "the log directory was touched")
        self.assertEqual(self.all_of_the_database(system), rows, "the database was touched")

    def test_a_log_that_has_sold_nothing_takes_over_no_strangers_orders(self):
        system = self.start_system()
        stop_nodes(system)
        system.sql("DELETE FROM meta; DELETE FROM lane; "
                   "INSERT INTO item(id, name, total, amount, limit_per_user, max_qty, "
                   "price_cents, put_lsn, lsn) VALUES (7, 'Old', 50, 48, 1, 5, 100, 1, 3); "
                   "INSERT INTO orders(order_id, request_id, item_id, user_id, qty, "
                   "unit_price_cents, decided_at) VALUES (2, 'old-1', 7, 'ann', 1, 100, NOW()), "
                   "(3, 'old-2', 7, 'bob', 1, 100, NOW())")
        self.refused(system, "names no log but holds 2 orders")

    @staticmethod
    def all_of_the_database(system):
        return tables(system), system.sql("SELECT * FROM lane"), system.sql(
            "SELECT HEX(log_uuid), created_at FROM meta")

    def sold_and_stopped(self, orders=40):
        """A system after a small sale over two starts: more than one segment, nothing owed."""
        system = self.start_system("1:Phone:100", "2:Watch:5")
        with Crowd(system.zmq) as crowd:
            crowd.greet()
            crowd.send([order(f"a{n}", 1 + n % 2, f"u{n}") for n in range(orders)])
            self.assertTrue(crowd.receive_all(30))
            system.restart("backend-1")
            crowd.greet()
            crowd.send([order(f"b{n}", 1, f"u{n}", 2) for n in range(10)])
            self.assertTrue(crowd.receive_all(30))
        system.verify()
        stop_nodes(system)
        return system

    def empty_the_database(self, system):
        for table in ("orders", "item", "lane", "meta"):
            system.sql(f"TRUNCATE TABLE {table}")

    # --- the log ----------------------------------------------------------------------------------

    def test_a_flipped_bit_is_refused_with_file_and_offset_and_nothing_is_touched(self):
        system = self.sold_and_stopped()
        dice = random.Random(seed())
        files = [path.name for path in segments(log_dir(system))]
        self.assertGreaterEqual(len(files), 2)
        places = []  # (file, offset that the message names, offset of the flip)
        for number, name in enumerate(files):
            # In a file with a successor the last batch is there again.
            batches = batches_of(log_dir(system) / name)[:-1]
            places.append((name, 0, dice.randrange(4096)))
            if batches:
                at, length = dice.choice(batches)
                places.append((name, at, at + dice.randrange(72)))
                places.append((name, at, at + dice.randrange(72, length)))
        for name, named, at in places:
            with self.subTest(f"{name} at {at}"):
                copy = copy_of(log_dir(system), "flipped")
                with open(copy / name, "r+b") as file:
                    file.seek(at)
                    byte = file.read(1)[0] ^ (1 << dice.randrange(8))
                    file.seek(at)
                    file.write(bytes([byte]))
                self.refused(system, str(copy / name), f"offset {named}:",
                             STAMPEDE_LOG__DIR=str(copy))
                done = system.stampede("log", "verify", copy)
                self.assertEqual(done.returncode, 4)
                self.assertIn(f"{copy / name} at offset {named}:", done.stdout)
        start(system)
        system.verify()

    def test_a_missing_segment_is_refused(self):
        system = self.sold_and_stopped()
        copy = copy_of(log_dir(system), "gap")
        segments(copy)[0].unlink()
        self.refused(system, "segment 1 is missing", STAMPEDE_LOG__DIR=str(copy))
        # Without the newest segments the log is sound by itself: the database is the witness.
        copy = copy_of(log_dir(system), "behind")
        for path in segments(copy)[1:]:
            path.unlink()
        self.refused(system, "it is a copy", code=75, STAMPEDE_LOG__DIR=str(copy))
        system.sql(GIVE_FREE)
        self.refused(system, "the log has lost decisions", STAMPEDE_LOG__DIR=str(copy))

    def test_a_wiped_log_is_refused_and_no_file_is_made(self):
        system = self.sold_and_stopped()
        kept = log_dir(system).rename(system.home / "kept")
        self.refused(system, "the log was wiped")  # the directory is not there at all
        log_dir(system).mkdir()
        self.refused(system, "the log was wiped")
        self.assertEqual(list(log_dir(system).iterdir()), [])
        # The same through the supervisor, which leaves it to the operator and says why.
        done = system.try_start()
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("the log was wiped", waits_for_operator(system, "backend-1"))
        began = time.monotonic()
        done = system.stampede("item", "stock", "1", "+1")
        self.assertEqual((done.returncode, "the log was wiped" in done.stderr), (3, True), done)
        self.assertLess(time.monotonic() - began, 10)
        stop_nodes(system)
        self.assertEqual(list(log_dir(system).iterdir()), [])
        log_dir(system).rmdir()
        kept.rename(log_dir(system))
        start(system)
        system.verify()

    # --- the database -----------------------------------------------------------------------------

    def test_an_emptied_database_is_refused_and_replay_all_brings_every_row_back(self):
        system = self.sold_and_stopped()
        before = tables(system)
        self.assertEqual(len(before[1]), 35)
        self.empty_the_database(system)
        self.refused(system, "exit 65", "log replay --all")
        done = system.try_start()
        self.assertEqual(done.returncode, 1, done.stderr)
        reason = waits_for_operator(system, "backend-1")
        self.assertRegex(reason, r"^exit 65: .*stampede log replay --all")
        # While the nodes run the log is theirs; a backend that waits for the operator has let go.
        stop_nodes(system)
        report = must(system.stampede("--json", "log", "replay", "--all"), "log replay --all")
        self.assertIn('"ok":true', report.stdout)
        self.assertEqual(tables(system), before)
        must(system.stampede("log", "replay", "--all"), "log replay --all, again")
        self.assertEqual(tables(system), before)
        start(system)
        self.assertEqual(system.verify()["rows"], 35)
        with Client(system.zmq) as client:
            self.assertTrue(client.order(1, "eve", 1).confirmed)
        self.assertEqual(system.verify()["rows"], 36)

    def test_a_database_made_anew_is_refused_and_replay_all_fills_it(self):
        system = self.sold_and_stopped()
        before = tables(system)
        system.sql("DROP TABLE orders, item, lane, meta, schema_version")
        self.assertEqual(system.try_start().returncode, 1)  # it migrates, then the backend refuses
        self.assertIn("log replay --all", waits_for_operator(system, "backend-1"))
        stop_nodes(system)
        must(system.stampede("log", "replay", "--all"), "log replay --all")
        self.assertEqual(tables(system), before)
        start(system)
        system.verify()

    def test_a_database_that_disappears_while_it_is_away_is_refused_when_it_answers(self):
        """Started without the database, so the check comes late; the lanes must not write first."""
        system = self.sold_and_stopped()
        before = tables(system)
        self.empty_the_database(system)
        end_database(system)
        with Backend(system) as backend:
            self.assertTrue(backend.wait_for("starting without the database"), backend.text())
            done = system.script("start_all.sh", "--nodes", "webapp=0,broker=0,backend=0")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(backend.wait(), 65, backend.text())
            self.assertIn("log replay --all", backend.text())
        self.assertEqual(tables(system), ([], []))
        stop_nodes(system)
        must(system.stampede("log", "replay", "--all"), "log replay --all")
        self.assertEqual(tables(system), before)

    def test_a_row_that_came_late_is_missed_below_its_lanes_witness(self):
        """Refused by a trigger, stored at a later start; the database is put back to in between."""
        # The late one has younger neighbours, or is the newest of all: a restore may be about to
        # write it then, and the start serves until it knows better.
        for lanes, names, told in ((1, ("late", "b1", "b2", "b3", "b4"), self.refused),
                                   (2, ("b1", "b2", "b3", "b4", "late"), self.ends)):
            with self.subTest(lanes=lanes, names=names):
                self.loses_a_late_row(names, told, STAMPEDE_DB__LANES=lanes)

    def ends(self, system, word):
        with Backend(system) as backend:
            self.assertEqual(backend.wait(), 65, backend.text())
            self.assertIn(word, backend.text())

    def loses_a_late_row(self, names, told, **environment):
        system = self.start_system("1:Phone:100", **environment)
        system.sql("CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW SET "
                   "NEW.user_id = IF(NEW.user_id = 'bad', REPEAT('x', 99), NEW.user_id)")
        with Client(system.zmq) as client:
            for name in names:
                user = "bad" if name == "late" else "ann"
                self.assertTrue(client.order(1, user, 1, request_id=name).confirmed)
        failed = lambda: system.status()["database"]["failed"] == 1
        self.assertTrue(eventually(failed), system.status()["database"])
        self.assertTrue(eventually(lambda: system.number("SELECT COUNT(*) FROM orders") == 4))
        stop_nodes(system)
        system.sql("DROP TRIGGER refuse")
        for table in ("orders", "lane"):
            system.sql(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
        start(system)
        self.assertEqual(system.verify()["rows"], 5)
        stop_nodes(system)
        start(system)  # whole: no start asks for more than was stored
        system.verify()
        stop_nodes(system)
        whole = tables(system)
        for table in ("orders", "lane"):
            columns = ", ".join(row[0] for row in system.sql(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE()"
                f" AND table_name = '{table}' AND COALESCE(generation_expression, '') = ''"))
            system.sql(f"TRUNCATE TABLE {table}; INSERT INTO {table}({columns}) "
                       f"SELECT {columns} FROM kept_{table}")
        told(system, "log replay --all")
        must(system.stampede("log", "replay", "--all"), "log replay --all")
        self.assertEqual(tables(system), whole)
        start(system)
        system.verify()
        system.halt()

    def test_a_log_with_another_database_is_refused(self):
        system = self.sold_and_stopped()
        uuid = system.sql("SELECT HEX(log_uuid) FROM meta")[0][0]
        system.sql("UPDATE meta SET log_uuid = UNHEX(REPEAT('5A', 16))")
        self.refused(system, "the database belongs to log 5a5a5a", uuid.lower())
        done = system.stampede("log", "replay", "--all")
        self.assertEqual((done.returncode, "belongs to log 5a5a5a" in done.stderr), (4, True),
                         done.stderr)
        system.sql(f"UPDATE meta SET log_uuid = UNHEX('{uuid}')")
        start(system)
        system.verify()

    # --- first start ------------------------------------------------------------------------------

    def test_a_first_start_that_waits_for_its_database_ends_when_it_is_told(self):
        system = self.sold_and_stopped(orders=1)
        log_dir(system).rename(system.home / "kept")
        end_database(system)
        with Backend(system) as backend:
            self.assertTrue(backend.wait_for("first start waits for the database"), backend.text())
            backend.process.send_signal(signal.SIGTERM)
            self.assertEqual(backend.wait(15), 0, backend.text())  # half of what draining may take
            self.assertIn("stopped before the database could be reached", backend.text())

    def test_items_of_a_database_without_a_log_are_logged_before_the_first_start_is_ready(self):
        system = self.sold_and_stopped()
        log_dir(system).rename(system.home / "kept")
        self.empty_the_database(system)
        system.sql("INSERT INTO item(id, name, price_cents, total, amount, limit_per_user, max_qty)"
                   " VALUES (7, 'Lamp', 1999, 40, 40, 2, 3), (8, 'Bücher', 5, 12, 12, 0, 5)")
        with Backend(system) as backend:
            self.assertTrue(backend.wait_for("replay.done"), backend.text())
            self.assertIn("took over 2 items", backend.text())
            self.assertEqual(backend.stop(), 0)
        puts = [line for line in system.stampede("log", "dump").stdout.splitlines()
                if "[EMIT]ItemPut=" in line]
        self.assertEqual(len(puts), 2)
        start(system)
        with Client(system.zmq) as client:
            self.assertEqual([(one.item, one.name, one.left) for one in client.items()],
                             [(7, "Lamp", 40), (8, "Bücher", 12)])
            self.assertTrue(client.order(7, "ann", 2).confirmed)
            self.assertEqual(client.order(7, "ann", 1).reason, "limit_reached")
        system.verify()
        self.assertEqual(system.sql("SELECT id, name, price_cents, total, amount, limit_per_user, "
                                    "max_qty FROM item ORDER BY id"),
                         [["7", "Lamp", "1999", "40", "38", "2", "3"],
                          ["8", "Bücher", "5", "12", "12", "0", "5"]])

    def test_a_first_start_sells_nothing_before_the_database_is_its_own(self):
        """It can be read and not written: two that start would both take its items over."""
        system = self.sold_and_stopped(orders=1)
        log_dir(system).rename(system.home / "kept")
        self.empty_the_database(system)
        system.sql("INSERT INTO item(id, name, price_cents, total, amount) VALUES (7,'Lamp',9,4,4)")
        system.sql("SET GLOBAL read_only = 1")
        for _ in range(2):  # and once more with the log that the first one began
            with Backend(system) as backend:
                self.assertTrue(backend.wait_for("first start waits until the database is its own"),
                                backend.text())
                self.assertIn("read-only", backend.text())
                self.assertNotIn("replay.done", backend.text())
        with Backend(system) as backend:
            self.assertTrue(backend.wait_for("first start waits"), backend.text())
            self.assertEqual(system.number("SELECT COUNT(*) FROM meta"), 0)
            system.sql("SET GLOBAL read_only = 0")
            self.assertTrue(backend.wait_for("replay.done"), backend.text())
            self.assertEqual(system.number("SELECT COUNT(*) FROM meta"), 1)
            self.assertEqual(backend.stop(), 0)

    def test_items_that_cannot_be_taken_over_are_refused_before_anything_is_made(self):
        system = self.sold_and_stopped()
        log_dir(system).rename(system.home / "kept")
        self.empty_the_database(system)
        system.sql("ALTER TABLE item MODIFY max_qty BIGINT, MODIFY price_cents DECIMAL(20,2)")
        good = dict(id="7", name="'Lamp'", price_cents="1999", total="40", amount="40",
                    limit_per_user="2", max_qty="3")
        odd = (("amount", "39", "total"), ("name", "''", "name"), ("price_cents", "19.99", "19.99"),
               ("price_cents", "1000000000001", "price_cents"),
               ("name", "CONVERT(0x61E280AE62 USING utf8mb4)", "name"),
               ("max_qty", "4294967301", "max_qty"), ("limit_per_user", "-1", "limit_per_user"),
               ("max_qty", "NULL", "column"))
        for column, value, word in odd:
            with self.subTest(column=column, value=value):
                row = good | {column: value}
                system.sql("TRUNCATE TABLE item")
                system.sql(f"INSERT INTO item({','.join(row)}) VALUES ({','.join(row.values())})")
                with Backend(system) as backend:
                    self.assertEqual(backend.wait(), 65, backend.text())
                    self.assertIn(word, backend.text())
                self.assertFalse(list(log_dir(system).glob("*")), "a log was begun")
        with self.subTest("orders that no log knows"):
            system.sql("TRUNCATE TABLE item")
            system.sql("INSERT INTO orders(order_id, request_id, item_id, user_id, qty, "
                       "unit_price_cents, decided_at) VALUES (1, 'r', 7, 'u', 1, 5, NOW(6))")
            with Backend(system) as backend:
                self.assertEqual(backend.wait(), 65, backend.text())
                self.assertIn("1 orders", backend.text())


if __name__ == "__main__":
    unittest.main(verbosity=2)
