#!/usr/bin/python3
"""Snapshots and removed segments in real systems: kills in every step of making and removing, a
restart from a snapshot, and a database that is emptied before and after segments are gone.
"""

import re
import unittest

from buyers import Crowd, Sale
from by_hand import log_dir, log_text, must, replays, segments, start, stop_nodes, tables
from system import SystemTest, eventually

from stampede import Client

# The smallest segments there are, a snapshot for each, and no waiting before a segment may go.
SMALL = {"STAMPEDE_LOG__SEGMENT_BYTES": "262144", "STAMPEDE_SNAPSHOT__EVERY_BYTES": "1",
         "STAMPEDE_LOG__RETAIN_S": "0"}
STOCK = 10_000_000
FOR_EVER = {"STAMPEDE_LOG__RETAIN_S": "-1"}
# A step passes the point once before and once after it, and once for each block that is written.
KILLS = (*(f"in_snapshot=kill@{n}" for n in (1, 2, 4, 8, 10, 11, 12, 13, 25)),
         *(f"in_retain=kill@{n}" for n in (1, 2, 3, 4)))


def snapshots(system):
    pattern = re.compile(r"snapshot-[0-9a-f]{16}-[0-9a-f]{16}")
    names = (path.name for path in log_dir(system).glob("snapshot-*"))
    return sorted(name for name in names if pattern.fullmatch(name))


def first_segment(system):
    return int(segments(log_dir(system))[0].name[:16], 16)


def snapshot_used(system):
    """Of each start of the backend, "none" or a name."""
    return re.findall(r"replay\.done .* snapshot=(\S+)", log_text(system, "backend-1"))


def made_before_last_start(system):
    """The newest snapshot that the backend before this one made."""
    before = log_text(system, "backend-1").rpartition("replay.done")[0]
    return re.findall(r"snapshot\.made name=(\S+)", before)[-1]


class SnapshotTest(SystemTest):
    def sell_until(self, system, condition, name, crowd=None, seconds=90):
        """A sale until `condition` holds; every buyer ends with one final answer."""
        with Crowd(system.zmq) as own:
            crowd = crowd or own
            sale = Sale(crowd, 1, name)
            try:
                reached = eventually(condition, seconds, 0.1)
            finally:
                ended = sale.stop()
            self.assertTrue(reached, f"not reached: {snapshots(system)}, {system.logs()}")
            self.assertTrue(ended, f"{crowd.open()} orders without a final answer")
            self.assertEqual(crowd.faults, [])
            return crowd.confirmed()

    def stored(self, system):
        return eventually(lambda: system.status()["log"].get("pending_commands") == 0, 60)

    def sell_and_remove(self, system):
        """Until at least one segment is gone and nothing is owed."""
        for number in range(12):
            before = len(snapshots(system)), first_segment(system)
            self.sell_until(system, lambda: len(segments(log_dir(system))) > 4 or
                            first_segment(system) > before[1], f"r{number}")
            self.assertTrue(self.stored(system))
            if eventually(lambda: first_segment(system) > 2, 5, 0.2):
                return
            # A snapshot that was made while nothing was owed lets the older segments go.
            system.restart("backend-1")
        self.fail(f"no segment was ever removed: {system.logs()}")


class Kills(SnapshotTest):
    def test_a_kill_in_any_step_of_a_snapshot_or_a_removal_harms_nothing(self):
        system = self.start_system(f"1:Phone:{STOCK}", **SMALL)
        confirmed = {}
        for number, point in enumerate(KILLS):
            with self.subTest(point):
                stop_nodes(system)
                starts = len(snapshot_used(system))
                start(system, STAMPEDE_FAILPOINTS=point)
                # It may be over already: a start closes a segment, and that makes a snapshot.
                died = lambda starts=starts: len(snapshot_used(system)) >= starts + 2
                confirmed |= self.sell_until(system, died, f"k{number}")
                system.wait_ready()
                self.assertEqual(system.verify()["confirmed"], len(confirmed))
                checked = system.report("log", "verify")
                self.assertEqual((checked["ok"], checked["violations"]), (True, []))
                if len(snapshots(system)) == 2:
                    self.assertTrue(system.report("snapshot", "verify")["ok"])
        with Client(system.zmq) as client:
            for name in list(confirmed)[::97]:
                self.assertEqual(client.get(name).order_id, confirmed[name]["order_id"])
        self.assertEqual(list(log_dir(system).glob("snapshot-*.tmp")), [])


class Restart(SnapshotTest):
    def test_a_backend_goes_on_from_its_newest_snapshot_and_says_so(self):
        system = self.start_system(f"1:Phone:{STOCK}", **SMALL | FOR_EVER)
        confirmed = self.sell_until(system, lambda: len(snapshots(system)) == 2, "a")
        self.assertEqual(snapshot_used(system), ["none"])
        self.assertTrue(self.stored(system))
        newest = system.status()["log"]["snapshot"]
        self.assertGreater(newest["bytes"], 0)
        self.assertLess(newest["age_s"], 300)
        made = re.findall(r"snapshot\.made name=(\S+)", log_text(system, "backend-1"))[-1]
        self.assertIn(made, snapshots(system))
        epoch, counter = map(int, newest["lsn"].split("."))
        self.assertEqual(int(made.split("-")[1], 16), epoch << 40 | counter)

        system.restart("backend-1")
        self.assertEqual(snapshot_used(system)[-1], made_before_last_start(system))
        whole = system.report("log", "verify")["records"]
        self.assertLess(replays(log_text(system, "backend-1"))[-1]["records"], whole)
        self.assertEqual(system.verify()["confirmed"], len(confirmed))
        with Client(system.zmq) as client:
            for name in list(confirmed)[::41]:
                self.assertEqual(client.get(name).order_id, confirmed[name]["order_id"])

        # The newest one has rotted: the older one is taken, and nothing is lost either.
        before = system.verify()["confirmed"]
        stop_nodes(system)
        newest = log_dir(system) / snapshots(system)[-1]
        older = snapshots(system)[-2]
        newest.write_bytes(newest.read_bytes()[:-9])
        self.assertEqual(system.stampede("log", "verify").returncode, 4)
        self.assertEqual(system.stampede("snapshot", "verify").returncode, 4)
        start(system, **FOR_EVER)
        self.assertEqual(snapshot_used(system)[-1], older)
        self.assertIn("snapshot damaged", log_text(system, "backend-1"))
        self.assertEqual(system.verify()["confirmed"], before)


class Emptied(SnapshotTest):
    def empty(self, system):
        for table in ("orders", "item", "lane", "meta"):
            system.sql(f"DELETE FROM {table}")

    def test_before_anything_is_removed_the_log_gives_every_row_back(self):
        system = self.start_system(f"1:Phone:{STOCK}", **SMALL | FOR_EVER)
        self.sell_until(system, lambda: len(snapshots(system)) == 2, "a")
        self.assertTrue(self.stored(system))
        stop_nodes(system)
        rows = tables(system)
        self.empty(system)
        done = system.report("log", "replay", "--all")
        self.assertEqual((done["ok"], done["missing"], done["orders"]), (True, 0, len(rows[1])))
        self.assertEqual(tables(system), rows)
        start(system)
        system.verify()

    def test_after_segments_are_gone_it_says_exactly_what_it_lacks(self):
        system = self.start_system(f"1:Phone:{STOCK}", **SMALL)
        self.sell_and_remove(system)
        self.assertTrue(system.stampede("log", "snapshot").returncode in (0, 6))
        self.assertGreater(system.verify()["rows"], 0)
        stop_nodes(system)
        self.check_tools(system)
        rows = tables(system)
        first = self.speaks_from(system)
        gone = [row for row in rows[1] if int(row[0]) < first]
        self.assertGreater(len(gone), 0)

        # A database that has everything: nothing is missing, nothing changes.
        done = system.report("log", "replay", "--all")
        self.assertEqual((done["ok"], done["missing"], done["remembered"]), (True, 0, len(gone)))
        self.assertEqual(tables(system), rows)

        # An empty one: all that the log and the snapshot have, and the number of what they lack.
        system.sql("CREATE TABLE kept AS SELECT * FROM orders")
        self.empty(system)
        failed = system.stampede("--json", "log", "replay", "--all")
        self.assertEqual(failed.returncode, 4)
        done = system.report("log", "replay", "--all")
        self.assertEqual((done["ok"], done["missing"]), (False, len(gone)))
        ends = [f"{int(row[0]) >> 40}.{int(row[0]) & (1 << 40) - 1}" for row in
                (gone[0], gone[-1])]
        self.assertIn(f"{len(gone)} orders, lsn {ends[0]} … {ends[1]},", done["violations"][0])
        self.assertEqual(tables(system)[0], rows[0])
        self.assertEqual(tables(system)[1], rows[1][len(gone):])

        # A backup brings the rest.
        columns = "order_id, request_id, item_id, user_id, qty, unit_price_cents, decided_at"
        system.sql(f"INSERT INTO orders({columns}) SELECT {columns} FROM kept "
                   f"WHERE order_id < {first}")
        must(system.stampede("log", "replay", "--all"), "replay --all")
        self.assertEqual(tables(system), rows)
        system.sql("DROP TABLE kept")
        start(system)
        self.assertEqual(system.verify()["rows"], len(rows[1]))

    def speaks_from(self, system):
        epoch, counter = map(int, system.report("log", "verify")["speaks_from"].split("."))
        return epoch << 40 | counter

    def check_tools(self, system):
        """Those that read a whole log do so from where it begins now."""
        checked = system.report("log", "verify")
        self.assertEqual((checked["ok"], checked["violations"]), (True, []))
        self.assertTrue(all(one["ok"] for one in checked["snapshots"]))
        plan = system.report("log", "replay", "--dry-run")
        self.assertEqual(plan["would_apply"], 0)
        dump = must(system.stampede("log", "dump"), "log dump")
        self.assertIn("the log speaks from lsn", dump.stderr)
        self.assertIn("[EMIT]OrderInsert", dump.stdout)
        pending = must(system.stampede("log", "dump", "--pending"), "log dump --pending")
        self.assertEqual(pending.stdout, "")
        self.assertTrue(system.report("snapshot", "verify")["ok"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
