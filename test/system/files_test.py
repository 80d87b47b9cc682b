#!/usr/bin/python3
"""Files that somebody takes away while a system runs or lies still: the log's lock, its directory,
old segments, sockets; and a disk that is full for a while.
"""

import contextlib
import json
import os
import shutil
import time
import unittest
import urllib.error
import urllib.request

import msgpack
import zmq

from buyers import Crowd, Sale
from by_hand import Backend, arm_next_starts, log_dir, log_text, must, segments, waits_for_operator
from system import SystemTest, eventually

from stampede import Client, StampedeError

SMALL = {"STAMPEDE_LOG__SEGMENT_BYTES": "262144", "STAMPEDE_SNAPSHOT__EVERY_BYTES": "1",
         "STAMPEDE_LOG__RETAIN_S": "-1"}


class Files(SystemTest):
    def second_backend(self, system):
        """How another backend on the same log ends."""
        other = system.home / "other"
        other.mkdir(exist_ok=True)
        backend = Backend(system, run=other, STAMPEDE_LOG__DIR=str(log_dir(system)))
        try:
            return backend.process.wait(20)
        finally:
            backend.process.kill()

    def test_the_log_is_held_whatever_becomes_of_its_names(self):
        system = self.start_system("1:Phone:100")
        with Client(system.zmq) as client:
            client.order(1, "ann", 1, request_id="first")
            pid = system.pid("backend-1")
            for again in range(2):
                (log_dir(system) / "LOCK").unlink(missing_ok=True)
                if again:
                    (log_dir(system) / "LOCK").touch()
                self.assertEqual(self.second_backend(system), 75)
            client.order(1, "ann", 1, request_id="second")
            self.assertEqual(system.pid("backend-1"), pid)
            # Another directory under the log's name: nothing is confirmed into the old one.
            system.sql("UPDATE lane SET place = 0")  # the copy may own the database
            old = system.home / "old"
            log_dir(system).rename(old)
            shutil.copytree(old, log_dir(system), ignore=shutil.ignore_patterns("spare*"))
            client.order(1, "ann", 1, request_id="third", timeout=20)
            self.assertRegex(log_text(system, "backend-1"), "exit 74: .* was taken away")
            system.wait_back("backend-1", pid)
            system.restart("backend-1")
            for name in ("first", "second", "third"):
                self.assertEqual(client.get(name).state, "confirmed")
            self.assertEqual(client.items(1)[0].left, 97)

    def test_nothing_is_confirmed_into_a_segment_that_somebody_has_cut(self):
        system = self.start_system("1:Phone:100")
        with Client(system.zmq) as client:
            client.order(1, "ann", 1, request_id="first")
            os.truncate(segments(log_dir(system))[-1], 0)
            with self.assertRaises(StampedeError):
                client.order(1, "ann", 1, request_id="second", timeout=3)
        self.assertRegex(log_text(system, "backend-1"), "exit 74: .*somebody cut it")

    def test_a_segment_that_somebody_removes_in_a_sale_is_written_again_and_told(self):
        system = self.start_system("1:Phone:10000000", **SMALL)
        log = log_dir(system)
        with Crowd(system.zmq) as crowd:
            sale = Sale(crowd, 1, "w")
            self.assertTrue(eventually(lambda: len(segments(log)) > 3, 40))
            # The node looks at the names each second.
            watched = segments(log)[:3]
            self.assertTrue(eventually(lambda: all(self.held(system, one) for one in watched)))
            kept = [one.read_bytes() for one in watched]
            for one in (watched[0], watched[2]):
                one.unlink()
            back = lambda: [one.read_bytes() for one in watched if one.exists()] == kept
            self.assertTrue(eventually(back), "the segments are not there again")
            self.assertTrue(sale.stop())
            self.assertEqual(crowd.faults, [])
        for one in (watched[0], watched[2]):
            note = f"{one.name} was removed from the log by somebody"
            told = lambda note=note: note in str(system.status()["log"]["notes"])
            self.assertTrue(eventually(told), note)
            self.assertIn(f"log.restored {one}", log_text(system, "backend-1"))
        must(system.stampede("log", "verify"), "log verify")
        system.restart("backend-1")
        system.verify()
        system.halt()
        watched[1].unlink()
        number = int(watched[1].name.partition("-")[0], 16)
        found = system.stampede("--json", "log", "verify")
        self.assertEqual(found.returncode, 4, found.stdout + found.stderr)
        self.assertIn(f"segment {number} is missing", found.stdout)

    def test_removed_snapshots_and_cut_segments_are_noticed_in_a_sale(self):
        system = self.start_system("1:Phone:10000000", **SMALL)
        log = log_dir(system)
        snapshots = lambda: sorted(log.glob("snapshot-*-????????????????"))
        with Crowd(system.zmq) as crowd:
            sale = Sale(crowd, 1, "s")
            made = eventually(lambda: len(segments(log)) > 6 and snapshots(), 40)
            self.assertTrue(sale.stop() and made)
        # Up to the segment that is open: no other one is made meanwhile.
        last = lambda: (snapshots()[-1].name[-16:] == segments(log)[-1].name[:16] and
                        f"made name={snapshots()[-1].name}" in log_text(system, "backend-1") and
                        self.held(system, snapshots()[-1]))
        self.assertTrue(eventually(last, 60))
        newest = snapshots()[-1]
        kept = newest.read_bytes()
        for one in snapshots():
            one.unlink()
        self.assertTrue(eventually(newest.exists), "the snapshot is not there again")
        self.assertEqual(newest.read_bytes(), kept)
        note = f"{newest.name} was removed from the log by somebody"
        self.assertTrue(eventually(lambda: note in str(system.status()["log"]["notes"])))
        self.assertIsNotNone(system.status()["log"]["snapshot"])
        must(system.stampede("log", "verify"), "log verify")
        # What is cut is lost: a snapshot is made again, a segment is told of.
        os.truncate(newest, 100)
        whole = lambda: snapshots() and snapshots()[-1].stat().st_size > 100
        self.assertTrue(eventually(whole, 40), snapshots())
        self.assertIn("the newest snapshot was cut in", log_text(system, "backend-1"))
        self.assertTrue(eventually(lambda: "missing" not in system.status()["log"]))
        self.assertIsNotNone(system.status()["log"]["snapshot"])
        cut = segments(log)[-2]
        bytes_of_cut = cut.read_bytes()
        os.truncate(cut, 1000)
        missing = lambda: system.status()["log"].get("missing", "")
        self.assertTrue(eventually(lambda: "segments of the log were cut in" in missing()))
        self.assertIn(str(int(cut.name.partition("-")[0], 16)), missing())
        self.assertIn("were cut", system.stampede("health").stderr)
        cut.write_bytes(bytes_of_cut)
        self.assertTrue(eventually(lambda: not missing()), missing())
        system.restart("backend-1")
        system.verify()

    def held(self, system, segment):
        """The backend keeps the file open."""
        folder = f"/proc/{system.pid('backend-1')}/fd"
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                if os.readlink(os.path.join(folder, name)) == str(segment):
                    return True
        return False

    def test_old_segments_are_judged_though_nobody_reads_them(self):
        system = self.start_system("1:Phone:10000000", **SMALL)
        log = log_dir(system)
        with Crowd(system.zmq) as crowd:
            sale = Sale(crowd, 1, "s")
            made = eventually(lambda: len(segments(log)) > 5 and any(log.glob("snapshot-*")), 40)
            self.assertTrue(sale.stop() and made)
        system.halt()
        (log / "letter.txt").touch()
        first, second = segments(log)[:2]
        kept = first.read_bytes(), second.read_bytes()
        for damage in (first.unlink, second.unlink, lambda: os.truncate(second, 100_000)):
            damage()
            system.try_start(timeout=60)
            self.assertRegex(waits_for_operator(system, "backend-1"), "^exit 65: .*segment")
            first.write_bytes(kept[0])
            second.write_bytes(kept[1])
            must(system.stampede("start", "backend-1"), "start")
            system.wait_ready()
            self.assertIn("letter.txt", system.stampede("status").stdout)
            system.halt()

    def test_removed_sockets_come_back(self):
        system = self.start_system("1:Phone:100")
        for path in [*(system.run / "sock").iterdir(), system.run / "admin.sock"]:
            path.unlink()
        self.assertTrue(eventually(lambda: (system.run / "admin.sock").exists(), 10))
        system.restart("webapp-1")
        with Client(system.zmq) as client:
            self.assertEqual(client.order(1, "ann", 1).state, "confirmed")
        self.put_a_directory_in_the_way(system, system.run / "admin.sock")
        shutil.rmtree(system.run / "sock")
        self.assertTrue(eventually(lambda: len(list((system.run / "sock").glob("*"))) >= 5, 10))
        system.restart("backend-1")
        with Client(system.zmq) as client:
            self.assertEqual(client.order(1, "ann", 1).state, "confirmed")

    def put_a_directory_in_the_way(self, system, place):
        """What the tools cannot hear is in the log, once, and on the supervisor's port."""
        address = f"http://127.0.0.1:{system.base}/status"
        told = lambda: [note for note in json.loads(self.refusal(address)[1])["notes"]
                        if "admin.sock: a directory lies there; remove it" in note]
        place.unlink()
        place.mkdir()
        self.assertTrue(eventually(told, 10))
        done = system.stampede("status")
        self.assertEqual(done.returncode, 7)
        self.assertIn(f"a directory lies at {place}", done.stderr)
        place.rmdir()
        self.assertTrue(eventually(lambda: system.stampede("status").returncode == 0, 10))
        self.assertTrue(eventually(lambda: not told(), 10))
        log = (system.run / "log" / "supervisor.log").read_text(encoding="utf-8")
        self.assertEqual(log.count("a directory lies there; remove it"), 1)
        self.assertEqual(log.count("admin.sock takes questions again"), 1)

    def test_a_full_disk_is_told_and_every_way_in_goes_on_by_itself(self):
        system = self.start_system("1:Phone:10000000", STAMPEDE_LOG__SEGMENT_BYTES="262144")
        pid = system.pid("backend-1")
        must(system.stampede("chaos", "disk", "--full"), "chaos")
        refuses = lambda: system.node("backend-1").get("refuses")
        for _ in range(20):
            system.stampede("bench", "--rate", "4000", "--duration", "1s", "--no-drain")
            if eventually(refuses, 1.5, 0.1):
                break
        self.assertIn("disk is full", refuses() or "nothing")
        self.assertEqual(system.stampede("health").returncode, 3)
        self.assertIn("disk is full", system.stampede("status").stdout)
        self.assertEqual(system.stampede("item", "stock", "1", "+5").returncode, 1)
        # Nobody orders meanwhile.
        must(system.stampede("chaos", "undo"), "undo")
        changed = lambda: system.stampede("item", "stock", "1", "+5").returncode == 0
        self.assertTrue(eventually(changed, 10, 0.2))
        system.wait_ready()
        self.assertEqual(system.pid("backend-1"), pid)
        system.verify()

    def test_a_backend_that_starts_on_a_full_disk_says_so_and_goes_on_by_itself(self):
        system = self.start_system("1:Phone:1000")
        arm_next_starts(system, "disk_full=on")
        must(system.stampede("chaos", "kill", "backend-1"), "kill")
        backend = lambda: system.node("backend-1")
        self.assertTrue(eventually(lambda: "disk is full" in str(backend().get("refuses")), 20),
                        backend())
        self.assertEqual(backend()["state"], "replaying")
        self.assertEqual(backend()["replay"]["done_bytes"], backend()["replay"]["total_bytes"])
        health = system.stampede("health")
        self.assertEqual(health.returncode, 3)
        self.assertRegex(health.stdout, r"backend-1 replaying .*\(the log's disk is full")
        status = system.stampede("status").stdout
        self.assertIn("backend-1: the log's disk is full", status)
        self.assertRegex(status, "next: backend-1 waits: make room")
        self.look_at_one_that_waits_for_room(system)
        for address in (f"http://127.0.0.1:{system.base}/readyz?node=backend-1",
                        f"{system.http}/readyz"):
            self.assertTrue(eventually(lambda url=address: "full" in self.refusal(url)[1], 10))
            self.assertEqual(self.refusal(address)[0], 503)
        with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.connect(system.zmq)
            dealer.send(msgpack.packb({"op": "order", "id": "early", "item": 1, "user": "ann",
                                       "deadline_ms": 20000}))
            self.assertTrue(dealer.poll(5000), "at once, not at its deadline")
            told = msgpack.unpackb(dealer.recv())
        self.assertEqual((told["code"], told["retry"]), ("overloaded", True))
        self.assertRegex(told["message"], "the disk of the command log .* is full")
        with Client(system.zmq) as client:
            must(system.stampede("chaos", "undo"), "undo")
            system.wait_ready()
            self.assertIsNone(backend()["refuses"])
            self.assertEqual(client.order(1, "ann", 1, timeout=10).state, "confirmed")
        item = json.loads(must(system.stampede("item", "show", "1", "--json"), "show").stdout)
        self.assertEqual(item["total"], 1000, "what was refused is not done later")
        system.verify()

    def look_at_one_that_waits_for_room(self, system):
        """It has read nothing that it could tell, and keeps nothing that it could do later."""
        told = system.status()
        self.assertEqual({told["log"][one] for one in
                          ("durable_lsn", "pending_commands", "bytes", "segments")}, {None})
        self.assertEqual({told["database"][one] for one in ("lag_s", "failed")}, {None})
        for words, code in ((("item", "stock", "1", "+5"), 1), (("item", "list"), 3),
                            (("verify", "--wait", "60s"), 3)):
            began = time.monotonic()
            done = system.stampede(*words)
            self.assertLess(time.monotonic() - began, 9, words)
            self.assertEqual(done.returncode, code, done)
            self.assertIn("the disk of the command log (log.dir) is full",
                          done.stdout + done.stderr)

    def test_a_backend_that_waits_for_room_is_not_said_to_have_no_items(self):
        system = self.start_system()
        self.assertTrue(eventually(lambda: "no items" in system.stampede("status").stdout, 10))
        arm_next_starts(system, "disk_full=on")
        must(system.stampede("chaos", "kill", "backend-1"), "kill")
        self.assertTrue(eventually(
            lambda: "disk is full" in str(system.node("backend-1").get("refuses")), 20))
        status = system.stampede("status").stdout
        self.assertRegex(status, "sale +not told yet by the backend")
        self.assertRegex(status, "log +- in - segments +durable - +pending -")

    @staticmethod
    def refusal(address):
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()


if __name__ == "__main__":
    unittest.main()
