#!/usr/bin/python3
"""Supervision of replay: a record that kills it is parked and the rest goes on; a replay that moves
is left alone, one that stands still is not.

A record is made poisonous by the failpoint `replay_record:LSN`, given to single later starts.
"""

import json
import os
import re
import shutil
import unittest
from pathlib import Path

from buyers import Crowd, Sale
from by_hand import (arm_next_starts, log_dir, log_text, must, replays, segments,
                     waits_for_operator)
from system import SystemTest, eventually

from stampede import Client, StampedeError

STOCK = 100


def lsn_text(order_id):
    return f"{int(order_id) >> 40}.{int(order_id) & (1 << 40) - 1}"


class KernelGroup:
    """Of this test's own, of version 1 or 2; without a path where none can be made."""

    LIMITS = {"memory": ((Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "-1"),
                         (Path("/sys/fs/cgroup"), "memory.max", "max")),
              "pids": ((Path("/sys/fs/cgroup/pids"), "pids.max", "max"),
                       (Path("/sys/fs/cgroup"), "pids.max", "max"))}

    def __init__(self, of):
        self.path = None
        for root, limit, none in self.LIMITS[of]:
            path = root / f"stampede-test-{os.getpid()}"
            try:
                path.mkdir()
            except OSError:
                continue
            if (path / limit).exists():
                self.path, self._limit, self._none = path, path / limit, none
                return
            path.rmdir()

    def remove(self):
        if self.path:
            self.path.rmdir()

    def take_in(self, pid):
        (self.path / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def limit(self, size=None):
        self._limit.write_text(self._none if size is None else str(size), encoding="ascii")


class Supervision(SystemTest):
    def code_of(self, client, *arguments, **options):
        """The error code that an order gets."""
        with self.assertRaises(StampedeError) as caught:
            client.order(*arguments, **options)
        return caught.exception.code

    def deaths_until_ready(self, system):
        """kill -9; how many processes ended until the backend serves again."""
        before = system.node("backend-1")["restarts"]
        pid = system.kill9("backend-1")
        system.wait_back("backend-1", pid, 60)
        system.wait_ready()
        return system.node("backend-1")["restarts"] - before

    def parked(self, system):
        return {one["lsn"]: one["item"] for one in system.status()["log"]["parked"]}

    def sell(self, client, count=10):
        """Orders of both items; that in the middle of the first item's is the poison."""
        bought = [client.order(item, f"u{number}", 2, request_id=f"o-{item}-{number}")
                  for number in range(count) for item in (1, 2)]
        self.assertEqual({one.state for one in bought}, {"confirmed"})
        return bought[count // 2 * 2]

    def check_closed(self, system, client, poison, lsn):
        """Item 1 is not sold, its buyers keep their answers, and everybody says why."""
        self.assertEqual(self.parked(system), {lsn: 1})
        self.assertEqual(self.code_of(client, 1, "late", 1, request_id="late", timeout=1),
                         "internal")
        again = client.order(1, "u5", 2, request_id="o-1-5")
        self.assertEqual((again.order_id, again.replayed), (poison.order_id, True))
        self.assertEqual(client.get("o-1-9").state, "confirmed")
        self.assertEqual(client.order(2, "ann", 1).state, "confirmed")
        self.assertEqual(system.stampede("item", "stock", 1, "+5").returncode, 1)
        self.assertIn(f"lsn {lsn}   item 1 is closed", system.stampede("status").stdout)
        for command in (("verify",), ("log", "verify")):
            done = system.stampede(*command)
            self.assertEqual(done.returncode, 4)
            self.assertIn(f"lsn {lsn} is parked", done.stdout)
        refused = system.stampede("log", "snapshot")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(lsn, refused.stderr)

    def check_open(self, system, client):
        self.assertEqual(self.parked(system), {})
        self.assertEqual(client.order(1, "late", 1, request_id="late").state, "confirmed")
        self.assertEqual(client.items(1)[0].left, STOCK - 10 * 2 - 1)
        system.verify()
        self.assertTrue(system.report("log", "verify")["ok"])

    def test_a_record_that_kills_replay_twice_is_parked_and_the_rest_goes_on(self):
        system = self.start_system(f"1:Phone:{STOCK}", f"2:Pad:{STOCK}")
        with Client(system.zmq) as client:
            poison = self.sell(client)
            lsn = lsn_text(poison.order_id)
            crash = f"replay_record:{lsn}=abort"
            # A kill from outside is no record's fault, however often and wherever it comes.
            arm_next_starts(system, *[crash.replace("abort", "kill")] * 3)
            self.assertEqual(self.deaths_until_ready(system), 4)
            # Once is chance: the next start serves all.
            arm_next_starts(system, crash)
            self.assertEqual(self.deaths_until_ready(system), 2)
            self.assertEqual(self.parked(system), {})
            arm_next_starts(system, crash, crash.replace("abort", "throw"), crash)
            self.assertEqual(self.deaths_until_ready(system), 3)  # the last one is not met
            self.check_closed(system, client, poison, lsn)
            # It stays so, and its commands reached the database all the same.
            arm_next_starts(system, crash)
            self.assertEqual(self.deaths_until_ready(system), 1)
            self.check_closed(system, client, poison, lsn)
            self.assertTrue(eventually(lambda: client.get("o-1-5").stored))
            pid = system.pid("backend-1")
            done = must(system.stampede("--json", "log", "retry", lsn), "log retry")
            self.assertEqual(json.loads(done.stdout),
                             {"ok": True, "unparked": [lsn], "restarted": "backend-1"})
            system.wait_back("backend-1", pid)
            self.check_open(system, client)

    def test_the_operator_parks_and_unparks(self):
        system = self.start_system(f"1:Phone:{STOCK}", f"2:Pad:{STOCK}")
        with Client(system.zmq) as client:
            poison = self.sell(client)
            lsn = lsn_text(poison.order_id)
            for wrong in ("9.9", "1.99999"):
                done = system.stampede("log", "park", wrong)
                self.assertEqual((done.returncode, wrong in done.stderr), (1, True), done.stderr)
            self.assertEqual(system.stampede("log", "park", "first").returncode, 2)
            self.assertEqual(system.stampede("log", "unpark", lsn).returncode, 1)
            must(system.stampede("log", "park", lsn), "log park")
            self.assertEqual(self.deaths_until_ready(system), 1)
            self.check_closed(system, client, poison, lsn)
            must(system.stampede("log", "unpark", lsn), "log unpark")
            self.assertEqual(self.deaths_until_ready(system), 1)
            self.check_open(system, client)

    def test_a_promo_whose_record_is_parked_is_shown_as_that(self):
        system = self.start_system(f"1:Phone:{STOCK}")
        add = ("promo", "add", 7, "--item", 1, "--name", "Half", "--price-cents", 5, "--starts",
               "now", "--ends", "+1h")
        lsn = json.loads(must(system.stampede("--json", *add), "promo add").stdout)["lsn"]
        must(system.stampede("log", "park", lsn), "log park")
        self.deaths_until_ready(system)
        shown = must(system.stampede("promo", "show", 7), "promo show").stdout
        self.assertIn(f"promo 7  item 1  parked: lsn {lsn} is passed over", shown)
        self.assertEqual(system.report("promo", "show", 7),
                         {"promo": 7, "item": 1, "state": "parked", "parked": lsn})
        self.assertIn(f"parked: lsn {lsn}", system.stampede("promo", "list").stdout)
        self.assertEqual(system.stampede("promo", "show", 8).returncode, 1)
        must(system.stampede("log", "unpark", lsn), "log unpark")
        self.deaths_until_ready(system)
        self.assertEqual(system.report("promo", "show", 7)["state"], "running")

    def test_a_record_that_kills_even_what_passes_over_it_waits_for_the_operator(self):
        system = self.start_system(f"1:Phone:{STOCK}", f"2:Pad:{STOCK}")
        with Client(system.zmq) as client:
            lsn = lsn_text(self.sell(client).order_id)
            arm_next_starts(system, *[f"replay_record:{lsn}=throw"] * 2,
                            *[f"pass_over:{lsn}=abort"] * 2)
            system.kill9("backend-1")
            reason = waits_for_operator(system, "backend-1", 60)
            self.assertTrue(reason.startswith("exit 65: "), reason)
            self.assertIn(lsn, reason)
            must(system.stampede("log", "retry"), "log retry")
            system.wait_ready()
            self.check_open(system, client)

    def test_a_replay_that_moves_is_left_alone_and_one_that_does_not_is_started_again(self):
        system = self.start_system(f"1:Phone:{STOCK}", f"2:Pad:{STOCK}",
                                   STAMPEDE_SUPERVISOR__STALL_MS="2000")
        with Client(system.zmq) as client:
            poison = self.sell(client, 25)  # one batch each
            arm_next_starts(system, "in_replay=slow")
            self.assertEqual(self.deaths_until_ready(system), 1)
            self.assertGreater(replays(log_text(system, "backend-1"))[-1]["dur_ms"], 4000)
            arm_next_starts(system, "in_replay=hang@20")
            self.assertEqual(self.deaths_until_ready(system), 2)
            self.assertRegex(system.node("backend-1")["last_exit"], "nothing moved for")
            # A record in which replay hangs is as poisonous as one in which it dies.
            lsn = lsn_text(poison.order_id)
            arm_next_starts(system, *[f"replay_record:{lsn}=hang"] * 2)
            self.assertEqual(self.deaths_until_ready(system), 3)
            self.assertEqual(self.parked(system), {lsn: 1})
            said = re.findall("twice: it is parked", log_text(system, "backend-1"))
            self.assertEqual(len(said), 1)


    def test_a_node_that_the_kernel_killed_for_want_of_memory_is_told_as_that(self):
        group = KernelGroup("memory")
        self.addCleanup(group.remove)
        if group.path is None:
            self.skipTest("no memory group of its own can be made here")
        system = self.start_system(f"1:Phone:{STOCK}")
        group.take_in(system.pid("supervisor-1"))  # what it starts lies in it, too
        group.limit(3 << 20)
        system.kill9("backend-1")
        reason = ("SIGKILL: killed by the kernel for want of memory "
                  "(its memory group may have 3 MiB)")
        told = lambda: system.node("backend-1").get("last_exit") == reason
        try:
            self.assertTrue(eventually(told, 30), system.node("backend-1"))
            for command in "status", "health":
                self.assertRegex(system.stampede(command).stdout,
                                 r"SIGKILL \d+ s ago: killed by the kernel for want of memory")
        finally:
            group.limit()
        system.wait_ready()
        causes = [one["cause"] for one in system.report("recoveries")["recoveries"]]
        self.assertIn(reason, causes)
        # What somebody kills by hand is no want of memory.
        system.wait_back("backend-1", system.kill9("backend-1"))
        self.assertEqual(system.node("backend-1")["last_exit"], "SIGKILL")

    def test_a_backend_that_gets_no_more_threads_sells_on(self):
        group = KernelGroup("pids")
        self.addCleanup(group.remove)
        if group.path is None:
            self.skipTest("no group of its own can be made here")
        system = self.start_system("1:Phone:10000000", STAMPEDE_LOG__SEGMENT_BYTES="262144")
        pid = system.pid("backend-1")
        group.take_in(pid)
        group.limit(len(os.listdir(f"/proc/{pid}/task")))
        with Crowd(system.zmq) as crowd:
            sale = Sale(crowd, 1, "t")
            said = lambda words: words in log_text(system, "backend-1")
            try:
                self.assertTrue(eventually(lambda: said("the kernel gives no thread"), 60))
                before = len(segments(log_dir(system)))
                self.assertTrue(eventually(
                    lambda: len(segments(log_dir(system))) > before + 1, 60))
            finally:
                group.limit()
            self.assertTrue(eventually(lambda: said("a thread for spare segments again")))
            self.assertTrue(sale.stop())
            self.assertEqual(crowd.faults, [])
        self.assertEqual(system.pid("backend-1"), pid)
        system.verify()
        system.halt()  # waits for no thread that there never was

    def test_a_log_directory_that_was_tidied_away_keeps_no_node_down(self):
        system = self.start_system(f"1:Phone:{STOCK}")
        shutil.rmtree(system.run / "log")
        for name in ("backend-1", "webapp-1"):
            system.wait_back(name, system.kill9(name))
        self.assertEqual(system.report("order", 1, "--user", "ann")["state"], "confirmed")
        self.assertIn("replay.done", log_text(system, "backend-1"))
        # What cannot be made is named, and it is tried again.
        shutil.rmtree(system.run / "log")
        (system.run / "log").write_text("in the way", encoding="ascii")
        system.kill9("broker-1")
        self.assertTrue(eventually(
            lambda: "cannot make" in (system.node("broker-1").get("last_exit") or "")))
        (system.run / "log").unlink()
        system.wait_ready()


if __name__ == "__main__":
    unittest.main()
